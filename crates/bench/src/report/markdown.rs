//! What does docs/performance.md keep?

use anyhow::{Context, Result};

use super::Report;
use super::number::{factor, mark, median, number, share, spread};

const BEGIN: &str = "<!-- begin: cargo xtask bench --write -->";
const END: &str = "<!-- end: cargo xtask bench --write -->";

/// The tables.
pub fn markdown(report: &Report) -> String {
    let heading = report.heading().replace('\n', "  \n");
    let mut out = format!(
        "{heading}\n\n| | | median | lowest–highest | of limit |\n|---|---|---:|---:|---:|\n"
    );
    for outcome in &report.outcomes {
        push(
            &mut out,
            &[&format!("**{}**", outcome.name), &outcome.about, "", "", ""],
        );
        if let Some(error) = &outcome.failed {
            push(&mut out, &["", &format!("**failed**: {error}"), "", "", ""]);
        }
        for measured in &outcome.figures {
            let unit = measured.figure.unit;
            if let Some(product) = &measured.product {
                let median = format!("**{}**", median(product, unit));
                push(
                    &mut out,
                    &[
                        &measured.figure.name,
                        "Photinus",
                        &median,
                        &spread(product),
                        "",
                    ],
                );
            }
            for limit in &measured.limits {
                push(
                    &mut out,
                    &[
                        "",
                        limit.what,
                        &median(&limit.rounds, unit),
                        &spread(&limit.rounds),
                        &share(limit.share),
                    ],
                );
            }
        }
    }
    if !report.references.is_empty() {
        out.push_str("\nBeside others, **measured elsewhere** (a quiet machine of this kind, another day): orders of magnitude only.\n\n");
        out.push_str("| | who | Photinus | elsewhere | times |\n|---|---|---:|---:|---:|\n");
        for one in &report.references {
            let who = match one.note {
                "" => one.who.to_owned(),
                note => format!("{} ({note})", one.who),
            };
            let name = format!("{} {}", one.measurement, one.figure);
            let (ours, theirs) = (number(one.ours), number(one.theirs));
            push(
                &mut out,
                &[
                    &name,
                    &who,
                    &format!("{ours} {}", one.unit),
                    &format!("{theirs} {}", one.unit),
                    &factor(one.factor),
                ],
            );
        }
        if let Some(least) = report.least_of_firefly() {
            out.push_str(&format!("\n{least}\n"));
        }
    }
    if !report.targets.is_empty() {
        out.push_str("\n**Targets**, computed from the figures above:\n\n");
        out.push_str("| | figure | to be reached | measured | |\n|---|---|---:|---:|---|\n");
        let mut before = "";
        for one in &report.targets {
            let what = if one.what == before { "" } else { one.what };
            before = one.what;
            let mark = mark(one.is_reached);
            push(
                &mut out,
                &[what, &one.figure, &one.aim, &one.measured, mark],
            );
        }
        out.push_str(&format!("\n{}\n", report.reached()));
    }
    out
}

fn push(out: &mut String, cells: &[&str]) {
    for cell in cells {
        out.push_str("| ");
        out.push_str(&cell.replace('|', "\\|").replace('\n', " "));
        out.push(' ');
    }
    out.push_str("|\n");
}

/// The document with this between its marks, and the rest as it was.
pub fn replace_block(document: &str, block: &str) -> Result<String> {
    let (before, rest) = document
        .split_once(BEGIN)
        .with_context(|| format!("there is no line {BEGIN}"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("there is no line {END}"))?;
    Ok(format!(
        "{before}{BEGIN}\n{}\n{END}{after}",
        block.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let document = format!("# Performance\n{BEGIN}\nold\n{END}\nHow to repeat it.\n");
        let new = replace_block(&document, "new\n").unwrap();
        assert_eq!(
            new,
            format!("# Performance\n{BEGIN}\nnew\n{END}\nHow to repeat it.\n")
        );
        assert_eq!(replace_block(&new, "new").unwrap(), new);
        assert!(replace_block("# Performance\n", "new").is_err());
    }
}
