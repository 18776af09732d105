//! How does a transport read what is its own: a section of the configuration, and options of a subscription?
//!
//! Every key is read alone first, because a decoder's words name a value and not its key.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::CodedError;
use crate::time::DurationText;

/// Reads a configuration section. The error names the key; for one of `hidden` it repeats nothing of the value.
pub fn section<T: DeserializeOwned>(section: &Value, hidden: &[&str]) -> Result<T, String> {
    let keys = section
        .as_object()
        .ok_or("expected a table of keys and values")?;
    for (key, value) in keys {
        alone::<T>(key, value).map_err(|error| match hidden.contains(&key.as_str()) {
            true => format!("{key}: expected text"),
            false => format!("{key}: {error}"),
        })?;
    }
    serde_json::from_value(section.clone()).map_err(|error| error.to_string())
}

/// Reads options. The error is what `refuse` makes of the key.
pub fn options<T: DeserializeOwned>(
    given: &Map<String, Value>,
    refuse: impl Fn(&str) -> CodedError,
) -> Result<T, CodedError> {
    for (key, value) in given {
        alone::<T>(key, value).map_err(|_| refuse(key))?;
    }
    serde_json::from_value(Value::Object(given.clone())).map_err(|_| refuse("options"))
}

fn alone<T: DeserializeOwned>(key: &str, value: &Value) -> serde_json::Result<()> {
    let alone = Map::from_iter([(key.to_owned(), value.clone())]);
    serde_json::from_value::<T>(Value::Object(alone)).map(drop)
}

/// `PH00447`: this option is wrong, and what would be right.
pub fn invalid(option: &str, expected: &str) -> CodedError {
    CodedError::bad_request("PH00447", format!("Invalid option '{option}': {expected}"))
}

/// A duration among the options; `FF00137` if it is none. The empty text is none.
pub fn duration(text: Option<&str>, option: &str) -> Result<Option<DurationText>, CodedError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        CodedError::bad_request(
            "FF00137",
            format!(
                "Unable to parse option '{option}' as a duration: expected a text such as '250ms', '1m30s', or digits for milliseconds"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Own {
        count: u8,
        password: String,
    }

    #[test]
    fn an_error_names_the_key_and_repeats_no_secret() {
        let read = |value| section::<Own>(&value, &["password"]);
        assert_eq!(read(json!({"count": 5})).unwrap().count, 5);
        let error = read(json!({"count": "x"})).unwrap_err();
        assert!(error.starts_with("count: "), "{error}");
        let error = read(json!({"password": ["hush"]})).unwrap_err();
        assert_eq!(error, "password: expected text");
        assert!(read(json!([])).unwrap_err().contains("a table"));

        let given = json!({"count": "hush"});
        let given = given.as_object().unwrap();
        let error = options::<Own>(given, |key| invalid(key, "expected a number")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "PH00447: Invalid option 'count': expected a number"
        );
    }

    #[test]
    fn a_duration_is_understood_or_named() {
        assert_eq!(duration(Some(""), "x"), Ok(None));
        let parsed = duration(Some("2s"), "x").unwrap().unwrap();
        assert_eq!(parsed.value(), std::time::Duration::from_secs(2));
        assert_eq!(duration(Some("soon"), "x").unwrap_err().code(), "FF00137");
    }
}
