//! What does the server say about each line?

use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest line of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// One line of the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The next line is published: its id and its sequence, as the server wrote it.
    Published { id: String, sequence: String },
    /// The next line is not, and why.
    Refused(String),
    /// The server takes no more lines of this request, and why. All that it took is answered.
    Ended(String),
}

/// Cuts the answer into its lines.
#[derive(Default)]
pub(crate) struct Answers {
    begun: Vec<u8>,
}

impl Answers {
    /// Takes a piece of the answer and gives the lines that it ends. The error says what is not understood.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Vec<Answer>, String> {
        let mut found = Vec::new();
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(&rest[..end]);
            if !self.begun.trim_ascii().is_empty() {
                found.push(read(&self.begun)?);
            }
            self.begun.clear();
            rest = &rest[end + 1..];
        }
        self.begun.extend_from_slice(rest);
        if self.begun.len() > ANSWER_BYTES_MAX {
            return Err(format!("a line of more than {ANSWER_BYTES_MAX} bytes"));
        }
        Ok(found)
    }
}

fn read(line: &[u8]) -> Result<Answer, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        id: Option<String>,
        sequence: Option<Box<RawValue>>,
        error: Option<String>,
        resume_from: Option<u64>,
    }
    let Line {
        id,
        sequence,
        error,
        resume_from,
    } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match (id, error, resume_from) {
        (Some(id), None, _) => Ok(Answer::Published {
            id,
            sequence: sequence.map_or_else(|| "null".to_owned(), |sequence| sequence.get().into()),
        }),
        (_, Some(error), None) => Ok(Answer::Refused(error)),
        (_, Some(error), Some(_)) => Ok(Answer::Ended(error)),
        (None, None, _) => Err(String::from_utf8_lossy(line).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_same_however_they_arrive() {
        let text = "{\"id\":\"a\",\"sequence\":7}\n\n{\"line\":2,\"error\":\"FF1: x\"}\n{\"line\":3,\"error\":\"PH00451: y\",\"resumeFrom\":3}\n";
        for piece in 1..text.len() {
            let mut answers = Answers::default();
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(piece) {
                found.extend(answers.push(piece).unwrap());
            }
            let published = Answer::Published {
                id: "a".into(),
                sequence: "7".into(),
            };
            let refused = Answer::Refused("FF1: x".into());
            assert_eq!(
                found,
                [published, refused, Answer::Ended("PH00451: y".into())]
            );
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in ["{}\n", "x\n", "[]\n"] {
            assert!(Answers::default().push(text.as_bytes()).is_err(), "{text}");
        }
        let long = vec![b'x'; ANSWER_BYTES_MAX + 1];
        assert!(Answers::default().push(&long).is_err());
    }
}
