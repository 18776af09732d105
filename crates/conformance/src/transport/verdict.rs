//! How does the suite say what it found?

use std::fmt;

use super::far_end::FarError;

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The transport keeps it.
    Kept,
    /// It was not tried, because the far end or the transport cannot do what it takes.
    Skipped(String),
    /// The transport breaks it, and how.
    Refused(String),
}

impl Verdict {
    /// What was seen, if the transport breaks the rule.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Verdict::Refused(text) => Some(text),
            _ => None,
        }
    }
}

/// All rules with their verdicts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Table {
    /// The name of each rule and its verdict, in the order of [`RULES`](super::RULES).
    pub rows: Vec<(&'static str, Verdict)>,
}

impl Table {
    /// The rules that the transport breaks.
    pub fn refused(&self) -> Vec<&'static str> {
        let refused = self.rows.iter().filter(|row| row.1.refusal().is_some());
        refused.map(|row| row.0).collect()
    }

    /// The rules that were not tried.
    pub fn skipped(&self) -> Vec<&'static str> {
        let skipped = |row: &&(_, Verdict)| matches!(row.1, Verdict::Skipped(_));
        self.rows.iter().filter(skipped).map(|row| row.0).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
        for (rule, verdict) in &self.rows {
            match verdict {
                Verdict::Kept => writeln!(f, "{rule:width$}  kept")?,
                Verdict::Skipped(why) => writeln!(f, "{rule:width$}  skipped: {why}")?,
                Verdict::Refused(text) => {
                    let line = text.lines().next().unwrap_or_default();
                    writeln!(f, "{rule:width$}  REFUSED: {line}")?;
                }
            }
        }
        Ok(())
    }
}

/// How a rule is broken.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

/// A rule is kept, or broken.
pub(super) type Kept = Result<(), Fault>;

impl Fault {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<FarError> for Fault {
    fn from(error: FarError) -> Self {
        Self(error.to_string())
    }
}

/// Refuses with a text unless something holds.
pub(super) fn require(holds: bool, text: impl FnOnce() -> String) -> Kept {
    match holds {
        true => Ok(()),
        false => Err(Fault(text())),
    }
}
