//! Why does an upload end before its last line, and how is that said?

use photinus_contract::CodedError;
use serde_json::Value;

use crate::config::ApiConfig;

/// Why an upload took no more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// There were no more.
    Complete,
    /// Nobody takes the answers.
    Gone,
    /// The server stops.
    Stopping,
    /// Too many answers wait.
    Behind,
    /// Nothing came and nothing was taken for too long.
    Idle,
    /// The request could not be read to its end.
    Broken(String),
    /// The server could not take this line.
    Failed(u64),
}

impl Ending {
    /// The last line of the answer, if the end has to be explained. `taken` is the last line that was taken.
    pub(crate) fn line(&self, taken: u64, config: &ApiConfig) -> Option<Vec<u8>> {
        let mut resume = taken + 1;
        let why = match self {
            Ending::Complete | Ending::Gone => return None,
            Ending::Stopping => "the server is stopping".to_owned(),
            Ending::Behind => format!(
                "its client does not read, and as many answers wait as are kept ([api] bulk_pending_max = {})",
                config.bulk_pending_max
            ),
            Ending::Idle => format!(
                "nothing was sent and no answer was read for {:?} ([api] bulk_idle_max)",
                config.bulk_idle_max.value()
            ),
            Ending::Broken(error) => format!("the request cannot be read to its end: {error}"),
            Ending::Failed(line) => {
                resume = *line;
                format!("line {line} could not be committed")
            }
        };
        let text = format!(
            "The upload has ended: {why}. Line {taken} was the last one taken; resume from line {resume}"
        );
        let error = Value::from(CodedError::new("PH00451", 503, text).to_string());
        let line = format!(r#"{{"line":{resume},"error":{error},"resumeFrom":{resume}}}"#);
        Some((line + "\n").into_bytes())
    }
}
