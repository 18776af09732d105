//! What is printed?

use super::Report;
use super::number::{factor, mark, median, number, share, spread};

/// How long a line of words may be.
const LINE_MAX: usize = 96;

/// A table for a terminal.
pub fn text(report: &Report) -> String {
    let mut out = format!("{}\n", report.heading());
    out.push_str(
        "\nEach figure: the median of the rounds, then the lowest and the highest; below it the limits, measured in the same \
         rounds.\n\"of limit\": 100 % is as good as the bare thing, 50 % half as good.\n",
    );
    let mut rows = vec![[
        "".to_owned(),
        "".into(),
        "median".into(),
        "lowest–highest".into(),
        "of limit".into(),
    ]];
    let mut notes = Vec::new();
    for outcome in &report.outcomes {
        notes.push((rows.len(), format!("\n{}", outcome.name)));
        for line in wrapped(&outcome.about) {
            notes.push((rows.len(), format!("  {line}")));
        }
        if let Some(error) = &outcome.failed {
            notes.push((rows.len(), format!("  FAILED: {error}")));
        }
        for measured in &outcome.figures {
            let unit = measured.figure.unit;
            if let Some(product) = &measured.product {
                let name = format!("  {}", measured.figure.name);
                rows.push([
                    name,
                    "product".into(),
                    median(product, unit),
                    spread(product),
                    String::new(),
                ]);
            }
            for limit in &measured.limits {
                let what = limit.what.to_owned();
                rows.push([
                    String::new(),
                    what,
                    median(&limit.rounds, unit),
                    spread(&limit.rounds),
                    share(limit.share),
                ]);
            }
        }
    }
    write_table(&rows, &notes, &mut out);
    if !report.references.is_empty() {
        out.push_str("\nBeside others, measured ELSEWHERE (a quiet machine of this kind, another day): orders of magnitude only\n");
        let mut rows = vec![[
            "".to_owned(),
            "".into(),
            "Photinus".into(),
            "elsewhere".into(),
            "times".into(),
        ]];
        for one in &report.references {
            let who = match one.note {
                "" => one.who.to_owned(),
                note => format!("{} ({note})", one.who),
            };
            rows.push([
                format!("  {} {}", one.measurement, one.figure),
                who,
                format!("{} {}", number(one.ours), one.unit),
                format!("{} {}", number(one.theirs), one.unit),
                factor(one.factor),
            ]);
        }
        write_table(&rows, &[], &mut out);
        if let Some(least) = report.least_of_firefly() {
            out.push_str(&format!("\n{least}\n"));
        }
    }
    if !report.targets.is_empty() {
        out.push_str("\nTargets, computed from the figures above\n");
        let mut rows = vec![["", "", "to be reached", "measured", ""].map(str::to_owned)];
        let mut notes = Vec::new();
        for one in &report.targets {
            if report.targets.iter().find(|first| first.what == one.what) == Some(one) {
                notes.push((rows.len(), format!("  {}", one.what)));
            }
            rows.push([
                format!("    {}", one.figure),
                String::new(),
                one.aim.clone(),
                one.measured.clone(),
                mark(one.is_reached).to_owned(),
            ]);
        }
        write_table(&rows, &notes, &mut out);
        out.push_str(&format!("\n{}\n", report.reached()));
    }
    out
}

/// In lines that a terminal has room for.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(last) if line == 0 || line + 1 + word.chars().count() <= LINE_MAX => {
                if line > 0 {
                    last.push(' ');
                }
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Aligned: words to the left, numbers to the right. A note stands above the row of its number.
fn write_table(rows: &[[String; 5]], notes: &[(usize, String)], out: &mut String) {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    for (index, [name, what, median, spread, share]) in rows.iter().enumerate() {
        for (_, note) in notes.iter().filter(|(at, _)| *at == index) {
            out.push_str(note);
            out.push('\n');
        }
        let [a, b, c, d, e] = widths;
        let line = format!("{name:<a$}  {what:<b$}  {median:>c$}  {spread:>d$}  {share:>e$}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for (_, note) in notes.iter().filter(|(at, _)| *at >= rows.len()) {
        out.push_str(note);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_none_is_lost() {
        let text = "word ".repeat(50) + &"x".repeat(200) + " end";
        let lines = wrapped(&text);
        assert_eq!(lines.join(" "), text);
        let long = lines.iter().filter(|line| line.len() > LINE_MAX).count();
        assert_eq!(long, 1, "only what is one word");
    }

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 5]| cells.map(str::to_owned);
        let rows = [
            row(["a", "b", "1", "", ""]),
            row(["longer", "µ", "1,000", "2", "3 %"]),
        ];
        let mut out = String::new();
        write_table(&rows, &[(1, "note".to_owned())], &mut out);
        assert_eq!(out, "a       b      1\nnote\nlonger  µ  1,000  2  3 %\n");
    }
}
