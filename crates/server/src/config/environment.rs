//! What does the environment say?
//!
//! `PHOTINUS__SECTION__KEY` sets a key: two underscores between the names, in any case, `_` for a `-`. The only
//! room that reads the environment.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::check::{check, expected};
use super::file::plain as plain_value;
use super::layer::{KeyPath, Layer, Origin, key_name, section_name};
use super::nearest::plain;
use super::schema::{Node, Schema};
use super::unknown::{self, Kind};

/// What the names of all settings begin with, in any case.
const PREFIX: &str = "PHOTINUS__";
/// What stands between the names of sections and keys.
const SEPARATOR: &str = "__";
/// The variable that names the configuration file.
const FILE: &str = "PHOTINUS_CONFIG";

/// The variables of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Those of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the room in which the environment is read"
    )]
    pub(crate) fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// Made-up ones.
    pub(crate) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut variables: Vec<_> = variables.into_iter().collect();
        variables.sort();
        Self(variables)
    }

    /// The configuration file that they name; one that is empty names none.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let (_, path) = self.0.iter().find(|(name, _)| name == FILE)?;
        (!path.is_empty()).then(|| path.into())
    }

    /// Those that look as if they set a key, and do not. It may be chance that they do.
    pub(crate) fn warnings(&self, schema: &Schema) -> Vec<String> {
        let warning = |(name, _): &(OsString, OsString)| {
            let name = name.to_str()?;
            let (start, rest) = name.split_once('_')?;
            if !start.eq_ignore_ascii_case("PHOTINUS") || rest.starts_with('_') {
                return None;
            }
            let meant = meant(schema, rest)?;
            Some(format!("{name} sets nothing; did you mean {meant}?"))
        };
        self.0.iter().filter_map(warning).collect()
    }

    /// The settings that they make, checked.
    pub(crate) fn layer(&self, schema: &Schema) -> Layer {
        let mut layer = Layer::default();
        for (name, value) in &self.0 {
            let name = name.to_string_lossy();
            let begins = name
                .get(..PREFIX.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
            if begins && !layer.is_hopeless() {
                let origin = Origin::Variable(name.clone().into_owned());
                let names = &name[PREFIX.len()..];
                let mut path = KeyPath::new();
                let text = value.to_str();
                if let Err(text) = set(&mut layer, schema, names, &mut path, text, &origin) {
                    layer.mistake(&origin, &path, text);
                }
            }
        }
        layer
    }
}

/// The variable that sets this key.
pub(crate) fn variable(path: &[String]) -> String {
    let names: Vec<String> = path.iter().map(|name| plain(name).to_uppercase()).collect();
    format!("{PREFIX}{}", names.join(SEPARATOR))
}

/// The variable of the key that these names are, but for the number of underscores between them.
fn meant(schema: &Schema, names: &str) -> Option<String> {
    let joined = |names: &str| names.replace('_', "").to_lowercase();
    let mut variables = schema
        .root()
        .keys()
        .into_iter()
        .map(|(path, _)| variable(&path));
    variables.find(|variable| joined(&variable[PREFIX.len()..]) == joined(names))
}

fn set(
    layer: &mut Layer,
    schema: &Schema,
    names: &str,
    path: &mut KeyPath,
    text: Option<&str>,
    origin: &Origin,
) -> Result<(), String> {
    let mut node = schema.root();
    let all = names;
    let mut names = names.split(SEPARATOR).peekable();
    while let Some(name) = names.next() {
        let kind = Kind::of_table(names.peek().is_some());
        let children = node.children();
        let known = children.keys().find(|known| plain(known) == plain(name));
        let name = known.map_or_else(|| name.to_lowercase(), |known| (*known).to_owned());
        node = match node.child(&name) {
            Some(child) if !name.is_empty() => child,
            _ => {
                return Err(match meant(schema, all) {
                    Some(meant) => format!("names no key; did you mean {meant}?"),
                    None => unknown::text(schema, path, &name, kind),
                });
            }
        };
        path.push(name);
        if names.peek().is_some() && !node.is_section() {
            return Err(format!(
                "{} has no keys of its own; set it with {}, which takes {}",
                key_name(path),
                variable(path),
                expected(node)
            ));
        }
    }
    if node.is_section() {
        let example = node.keys().into_iter().next().map(|(below, _)| {
            let full: KeyPath = path.iter().cloned().chain(below).collect();
            format!(", such as {}", variable(&full))
        });
        return Err(format!(
            "{} is a section; set its keys one by one{}",
            section_name(path),
            example.unwrap_or_default()
        ));
    }
    let named = |error: String| format!("{}: {error}", key_name(path));
    let text = text.ok_or_else(|| named("the value is not UTF-8".to_owned()))?;
    // What is nearly a table may hold the secret of one.
    let is_secret = schema.is_secret(path) || node.tables().next().is_some();
    let value = value(node, text)
        .ok_or_else(|| {
            let got = match is_secret {
                true => String::new(),
                false => format!(", got {}", super::check::shown(&json!(text))),
            };
            named(format!("expected {}{got}", expected(node)))
        })?
        .map_err(named)?;
    if !value.is_null() {
        check(node, &value, is_secret).map_err(named)?;
    }
    if let Some(before) = layer.settings.get(path) {
        let text = format!("{} sets it already", before.origin);
        return Err(named(text));
    }
    layer.set(path.clone(), value, origin.clone());
    Ok(())
}

/// What a text means for a key: by the types that the key takes, so that nobody has to think of quotes.
///
/// A key that takes texts only takes the text as it is. A list is TOML if it begins with `[`, and otherwise what
/// stands between commas. A table is TOML or JSON. Everything else is a value of TOML, or the text as it is where the
/// key takes texts, too. Nothing is nothing: no items of a list, the absence of what may be absent. `None` if it
/// means nothing.
fn value(node: Node<'_>, text: &str) -> Option<Result<Value, String>> {
    let types = node.types();
    if text.is_empty() && node.is_optional() {
        return Some(Ok(Value::Null));
    }
    let is_list = types.contains("array");
    let takes_text = types.is_empty() || types.contains("string");
    let takes_others = types.iter().any(|of| !matches!(*of, "string" | "null"));
    if is_list && !text.trim_start().starts_with('[') && !takes_text {
        let items = text.split(',').map(str::trim);
        let items = items.filter(|_| !text.trim().is_empty());
        let items: Option<Result<Vec<Value>, String>> =
            items.map(|item| value(node.items(), item)).collect();
        return items.map(|items| items.map(Value::Array));
    }
    let parsed = takes_others.then(|| parsed(text)).flatten();
    match parsed {
        Some(Ok(parsed)) if !takes_text => Some(Ok(parsed)),
        // A table with a mistake in it is no text, which a password with that mistake would be.
        Some(Ok(table @ Value::Object(_))) if types.contains("object") => Some(Ok(table)),
        // The quotes of a text belong to it.
        Some(Ok(other)) if !other.is_string() && check(node, &other, true).is_ok() => {
            Some(Ok(other))
        }
        Some(Err(error)) if !takes_text => Some(Err(error)),
        _ => takes_text.then(|| Ok(json!(text))),
    }
}

/// `None` if it is neither a value of TOML nor a table of JSON.
fn parsed(text: &str) -> Option<Result<Value, String>> {
    match DeValue::parse(text.trim()) {
        Ok(parsed) => Some(plain_value(parsed.get_ref())),
        Err(_) => {
            let table = serde_json::from_str::<Map<String, Value>>(text);
            table.ok().map(|table| Ok(Value::Object(table)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::of_value(
            json!({"type": "object", "additionalProperties": false, "properties": {
                "text": {"type": "string"},
                "number": {"type": "integer", "minimum": 0},
                "flag": {"type": "boolean"},
                "ratio": {"type": "number"},
                "list": {"type": "array", "items": {"type": "string"}},
                "numbers": {"type": "array", "items": {"type": "integer"}},
                "perhaps": {"type": ["integer", "null"]},
                "either": {"type": ["integer", "string"]},
                "table": {"type": ["integer", "object"], "properties": {"key": {"writeOnly": true}}},
                "secret": {"type": "string", "writeOnly": true, "maxLength": 3},
                "tls-options": {"type": "object", "additionalProperties": false, "properties": {
                    "cert-file": {"type": "string"}}},
                "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            }}),
        )
    }

    fn layer(variables: &[(&str, &str)]) -> Layer {
        let variables = variables.iter().map(|(k, v)| (k.into(), v.into()));
        Environment::new(variables).layer(&schema())
    }

    #[test]
    fn a_value_is_read_by_the_type_of_its_key() {
        for (name, text, value) in [
            ("TEXT", "5", json!({"text": "5"})),
            ("TEXT", "\"5\"", json!({"text": "\"5\""})),
            ("TEXT", "", json!({"text": ""})),
            ("text", "a,b", json!({"text": "a,b"})),
            ("NUMBER", "4_096", json!({"number": 4096})),
            ("NUMBER", "0x10", json!({"number": 16})),
            ("NUMBER", " 7 ", json!({"number": 7})),
            ("Flag", "true", json!({"flag": true})),
            ("RATIO", "0.5", json!({"ratio": 0.5})),
            ("RATIO", "2", json!({"ratio": 2})),
            (
                "LIST",
                "https://a.example,https://b.example",
                json!({"list": ["https://a.example", "https://b.example"]}),
            ),
            ("LIST", " a , 5 ", json!({"list": ["a", "5"]})),
            ("LIST", "['a, b', \"c\"]", json!({"list": ["a, b", "c"]})),
            ("LIST", "*", json!({"list": ["*"]})),
            ("LIST", "", json!({"list": []})),
            ("NUMBERS", "1, 2", json!({"numbers": [1, 2]})),
            ("PERHAPS", "3", json!({"perhaps": 3})),
            ("PERHAPS", "", json!({})),
            ("EITHER", "3", json!({"either": 3})),
            ("EITHER", "three", json!({"either": "three"})),
            ("EITHER", "'3'", json!({"either": "'3'"})),
            ("TABLE", "{ key = 3 }", json!({"table": {"key": 3}})),
            ("TABLE", "{\"key\": 3}", json!({"table": {"key": 3}})),
            (
                "TLS_OPTIONS__CERT_FILE",
                "f",
                json!({"tls-options": {"cert-file": "f"}}),
            ),
            ("HEADERS__ACCEPT", "x", json!({"headers": {"accept": "x"}})),
        ] {
            let layer = layer(&[(&format!("PHOTINUS__{name}"), text)]);
            assert_eq!(layer.mistakes, [], "{name}={text}");
            assert_eq!(Value::Object(layer.values()), value, "{name}={text}");
        }
        assert!(
            layer(&[("PHOTINUS_TEXT", "5"), ("OTHER", "5")])
                .settings
                .is_empty()
        );
    }

    #[test]
    fn a_mistake_names_the_variable_and_what_would_be_right() {
        for (name, text, words) in [
            ("NUMBERS", "1, two", &["numbers", "a whole number"][..]),
            ("NUMBER", "many", &["number", "a whole number", "\"many\""]),
            ("NUMBER", "1\n[api]", &["a whole number", "\\n"]),
            ("NUMBER", "-1", &["of at least 0", "-1"]),
            ("NUMBER", "1.5", &["a whole number", "1.5"]),
            ("FLAG", "yes", &["true or false"]),
            ("FLAG", "", &["true or false"]),
            ("NUMBRE", "1", &["unknown key `numbre`", "`number`"]),
            ("NUM_BER", "1", &["names no key", "PHOTINUS__NUMBER"]),
            (
                "TLS_OPTIONS_CERT_FILE",
                "f",
                &["names no key", "PHOTINUS__TLS_OPTIONS__CERT_FILE"],
            ),
            (
                "TSL_OPTIONS__CERT_FILE",
                "f",
                &["unknown section", "[tls-options]"],
            ),
            (
                "TLS_OPTIONS__CERT",
                "f",
                &["`cert` in [tls-options]", "`cert-file`"],
            ),
            (
                "TLS_OPTIONS",
                "f",
                &["is a section", "PHOTINUS__TLS_OPTIONS__CERT_FILE"],
            ),
            ("TEXT__X", "f", &["no keys of its own", "PHOTINUS__TEXT"]),
            ("", "f", &["unknown key ``"]),
            ("HEADERS__", "f", &["unknown key ``"]),
        ] {
            let name = format!("PHOTINUS__{name}");
            let layer = layer(&[(&name, text)]);
            let [mistake] = &layer.mistakes[..] else {
                panic!("{name}={text}: {:?}", layer.mistakes);
            };
            let mistake = mistake.to_string();
            assert!(mistake.starts_with(&format!("{name}: ")), "{mistake}");
            for word in words {
                assert!(mistake.contains(word), "{word:?} is not in: {mistake}");
            }
        }
        let twice = layer(&[("PHOTINUS__TEXT", "a"), ("photinus__text", "b")]);
        assert_eq!(
            twice.mistakes[0].to_string(),
            "photinus__text: text: PHOTINUS__TEXT sets it already"
        );
        let secret = layer(&[("PHOTINUS__SECRET", "abcdef")]);
        assert_eq!(secret.mistakes.len(), 1);
        assert!(!secret.mistakes[0].text.contains("abcdef"));
        let nearly = layer(&[("PHOTINUS__TABLE", "{ key = abcdef }")]);
        assert_eq!(
            nearly.mistakes[0].text,
            "table: expected a whole number or { key = … }"
        );
    }

    #[test]
    fn what_has_an_underscore_too_few_is_warned_of_and_sets_nothing() {
        let warned = |name: &str| {
            let environment = Environment::new([(name.into(), "1".into())]);
            assert!(environment.layer(&schema()).settings.is_empty());
            environment.warnings(&schema())
        };
        assert_eq!(
            warned("PHOTINUS_TLS_OPTIONS_CERT_FILE"),
            [
                "PHOTINUS_TLS_OPTIONS_CERT_FILE sets nothing; did you mean PHOTINUS__TLS_OPTIONS__CERT_FILE?"
            ]
        );
        for name in [
            "PHOTINUS_PORT",
            "PHOTINUS_CONFIG",
            "NUMBER",
            "PHOTINUS__NUMBER_",
        ] {
            assert_eq!(warned(name), [""; 0], "{name}");
        }
    }

    #[test]
    fn the_file_is_named_by_one_of_them() {
        let file = |value: &str| Environment::new([(FILE.into(), value.into())]).file();
        assert_eq!(file("a.toml"), Some("a.toml".into()));
        assert_eq!(file(""), None);
        assert_eq!(Environment::default().file(), None);
    }
}
