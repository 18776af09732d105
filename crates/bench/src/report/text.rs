//! What is printed?

use super::Report;
use super::number::{factor, median, number, share, spread};

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
        notes.push((rows.len(), format!("\n{}: {}", outcome.name, outcome.about)));
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
    }
    out
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
