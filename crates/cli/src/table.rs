//! How are rows put under each other?

use crate::failure::Failure;
use crate::notes::BOLD;
use crate::out::Out;
use crate::shown::{padded, plain, width};

/// Columns stand this far apart.
const APART: &str = "  ";

/// A table under its headings.
pub(crate) struct Table<const N: usize> {
    headings: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(headings: [&'static str; N]) -> Self {
        Self {
            headings,
            rows: Vec::new(),
        }
    }

    /// One row; what cannot be seen in a cell is escaped, and an empty one is a dash.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| match plain(&cell) {
            cell if cell.is_empty() => "-".to_owned(),
            cell => cell,
        }));
    }

    pub(crate) async fn print(&self, out: &mut Out) -> Result<(), Failure> {
        let mut lines = self.lines().into_iter();
        if let Some(headings) = lines.next() {
            let headings = out.paint().dress(BOLD, &headings);
            out.line(&headings).await?;
        }
        for line in lines {
            out.line(&line).await?;
        }
        out.flush().await
    }

    fn lines(&self) -> Vec<String> {
        let headings = self.headings.map(str::to_owned);
        let rows = || std::iter::once(&headings).chain(&self.rows);
        let widths: [usize; N] =
            std::array::from_fn(|column| rows().map(|row| width(&row[column])).max().unwrap_or(0));
        let line = |row: &[String; N]| {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| padded(cell, width))
                .collect();
            cells.join(APART).trim_end().to_owned()
        };
        rows().map(line).collect()
    }
}

/// What there is to say about one thing, a line each.
pub(crate) async fn print_fields(fields: &[(&str, String)], out: &mut Out) -> Result<(), Failure> {
    let widest = fields.iter().map(|(name, _)| width(name)).max();
    for (name, value) in fields {
        let name = out
            .paint()
            .dress(BOLD, &padded(name, widest.unwrap_or_default()));
        out.line(&format!("{name}{APART}{}", plain(value))).await?;
    }
    out.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_is_in_them() {
        let mut table = Table::new(["NAME", "WHAT", "LAST"]);
        table.row(["世界".into(), String::new(), "x".into()]);
        table.row(["a".into(), "e\u{301}\nb".into(), "longer than that".into()]);
        assert_eq!(
            table.lines(),
            [
                "NAME  WHAT  LAST",
                "世界  -     x",
                "a     e\u{301}\\nb  longer than that",
            ]
        );
    }
}
