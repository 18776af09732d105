//! How does an operator say where something outside is, and how one gets in there?
//!
//! For the configuration of transports that connect to it.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use crate::secrets::MASK;

/// Files in PEM for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsFiles {
    /// The authorities that the other side's certificate may come from, in place of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate to show to the other side, with those between it and the authority.
    pub cert: Option<PathBuf>,
    /// The key of that certificate.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// Whether they make sense together. The error is about the section that they stand in.
    pub fn check(&self) -> Result<(), String> {
        if self.cert.is_some() != self.key.is_some() {
            return Err("'cert' and 'key' belong together".into());
        }
        let files = [&self.ca, &self.cert, &self.key];
        match files
            .into_iter()
            .flatten()
            .any(|file| file.as_os_str().is_empty())
        {
            true => Err("the name of a file is empty".into()),
            false => Ok(()),
        }
    }
}

/// A password, or where it is. Prints `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Password {
    /// The password itself.
    Text(String),
    /// It is in this environment variable.
    #[serde(rename_all = "snake_case")]
    Env {
        /// The name of the variable.
        env: String,
    },
    /// It is in this file, without the line break at its end. The file is read whenever somebody connects, so that a
    /// password can be replaced while the server runs.
    File {
        /// The file.
        file: PathBuf,
    },
}

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl JsonSchema for Password {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"env": {"type": "string", "minLength": 1}},
                    "required": ["env"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": {"file": {"type": "string", "minLength": 1}},
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
            "writeOnly": true,
        })
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str(MASK),
            Self::Env { env } => write!(f, "env {env}"),
            Self::File { file } => write!(f, "file {}", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_password_is_a_text_or_where_it_is_and_is_not_shown() {
        for (given, shown) in [
            (json!("geheim"), "***"),
            (json!({"env": "RABBIT"}), "env RABBIT"),
            (json!({"file": "/run/p"}), "file /run/p"),
        ] {
            let password: Password = serde_json::from_value(given).unwrap();
            assert_eq!(format!("{password:?}"), shown);
        }
        for wrong in [json!(5), json!({"env": 5}), json!({})] {
            assert!(serde_json::from_value::<Password>(wrong).is_err());
        }
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let files = |json| serde_json::from_value::<TlsFiles>(json).unwrap().check();
        assert!(files(json!({"ca": "a", "cert": "c", "key": "k"})).is_ok());
        assert!(files(json!({"cert": "c"})).is_err());
        assert!(files(json!({"ca": ""})).is_err());
    }
}
