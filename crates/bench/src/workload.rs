//! What is published, and what is delivered?
//!
//! One kind of message for all figures: an order with two values, whose event is about 1.1 kB. What the product makes
//! of it (the answer to a publish, the frame of a delivery) is recorded once at the beginning of a run, and the bare
//! servers then send the same bytes.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::wire::scan::{self, DELIVERY_FIELD, SEQUENCE_FIELD};

/// The namespace of everything.
pub const NAMESPACE: &str = "default";

/// The tag of a message, by which its delivery is recognised. All are of one length.
pub fn tag(number: usize) -> String {
    format!("n{number:08}")
}

/// A message with this tag.
pub fn body(number: usize) -> String {
    format!(
        concat!(
            r#"{{"header":{{"topics":["bench-orders"],"tag":"{}","author":"did:firefly:org/acme"}},"#,
            r#""data":[{{"value":{{"order":"A-2041-77","customer":"c-0000018233","lines":"#,
            r#"[{{"sku":"P-100-200","amount":3,"price":"19.90"}},{{"sku":"P-100-207","amount":1,"price":"4.50"}}],"#,
            r#""currency":"EUR"}}}},{{"value":{{"note":"deliver before noon","gift":false}}}}]}}"#
        ),
        tag(number)
    )
}

/// What the product makes of a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workload {
    /// The body of a publish answer.
    pub answer: String,
    /// The frame of a delivery.
    pub frame: String,
}

impl Workload {
    /// Reads what [`Workload::keep`] wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }

    /// Keeps it for the bare server.
    pub fn keep(&self, path: &Path) -> Result<()> {
        std::fs::write(path, serde_json::to_vec(self)?).with_context(|| path.display().to_string())
    }

    /// How many bytes of a message are stored by whoever stores its event and its values and nothing else.
    pub fn stored_bytes(&self) -> usize {
        let values: usize = body(0).split(r#""value":"#).skip(1).map(str::len).sum();
        self.frame.find(SEQUENCE_FIELD).unwrap_or(self.frame.len()) + values
    }

    /// The sizes, for people.
    pub fn describe(&self) -> String {
        format!(
            "a message is {} bytes of JSON (2 values), answered by {}; its event is delivered in {} bytes; {} bytes are stored of it",
            body(0).len(),
            self.answer.len(),
            self.frame.len(),
            self.stored_bytes(),
        )
    }
}

/// A frame like the product's, with another id, tag and sequence each time.
#[derive(Clone, Debug)]
pub struct FrameTemplate {
    before_id: String,
    before_tag: String,
    before_sequence: String,
    after: String,
}

impl FrameTemplate {
    /// Takes a frame of the product apart.
    pub fn of(frame: &str) -> Result<Self> {
        let id =
            scan::span(frame, r#"{"id":""#, 36).context("a frame begins with the event's id")?;
        let tag = scan::span(frame, r#""tag":"n"#, 8).context("a frame has the tag")?;
        let sequence = frame
            .rfind(SEQUENCE_FIELD)
            .context("a frame has the sequence")?
            + SEQUENCE_FIELD.len();
        let digits = frame[sequence..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        ensure!(
            id.end < tag.start && tag.end < sequence,
            "the order of the fields is another"
        );
        ensure!(
            frame[sequence..].contains(DELIVERY_FIELD),
            "a frame has the delivery"
        );
        Ok(Self {
            before_id: frame[..id.start].to_owned(),
            before_tag: frame[id.end..tag.start].to_owned(),
            before_sequence: frame[tag.end..sequence].to_owned(),
            after: frame[sequence + digits..].to_owned(),
        })
    }

    /// Appends a frame; the id is made of the sequence.
    pub fn write(&self, sequence: u64, tag: usize, out: &mut String) {
        use std::fmt::Write;
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "{}00000000-0000-7000-8000-{sequence:012x}{}{tag:08}{}{sequence}{}",
            self.before_id, self.before_tag, self.before_sequence, self.after
        );
    }

    /// How much room a frame needs, about.
    pub fn capacity(&self) -> usize {
        self.before_id.len()
            + self.before_tag.len()
            + self.before_sequence.len()
            + self.after.len()
            + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &str = concat!(
        r#"{"id":"01a203f0-7a23-7481-9bdc-a3ebaac16001","type":"message_confirmed","message":"#,
        r#"{"header":{"tag":"n00000007"}},"sequence":12,"subscription":{"id":"s"},"delivery":"1-1","attempt":1}"#,
        "\n"
    );

    #[test]
    fn a_bare_frame_is_the_products_with_other_numbers() {
        let mut made = String::new();
        FrameTemplate::of(FRAME).unwrap().write(13, 8, &mut made);
        let expected = FRAME
            .replace(
                "01a203f0-7a23-7481-9bdc-a3ebaac16001",
                "00000000-0000-7000-8000-00000000000d",
            )
            .replace("n00000007", "n00000008")
            .replace(":12,", ":13,");
        assert_eq!(made, expected);
        assert!(FrameTemplate::of("{}").is_err());
    }

    #[test]
    fn messages_are_of_one_length_and_json() {
        let json: serde_json::Value = serde_json::from_str(&body(7)).unwrap();
        assert_eq!(json["header"]["tag"], "n00000007");
        assert_eq!(body(0).len(), body(99_999_999).len());
    }
}
