//! What was set, where, and which of two counts?

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::urls::without_passwords;

/// Most mistakes that are looked for in one layer.
const MISTAKES_READ_MAX: usize = 100;

/// The names from the root of the configuration to a section or a key.
pub(crate) type KeyPath = Vec<String>;

/// Where a setting was made. Later ones count before earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A line of the configuration file, the first being 1.
    File(Arc<str>, usize),
    /// A variable of the environment, as it is written there.
    Variable(String),
    /// The command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{path}:{line}"),
            // Whoever starts a process may give its variables any name.
            Self::Variable(name) => write!(f, "{}", name.escape_debug()),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A value with the place where it was set. `null` takes away what an earlier layer has set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    pub(crate) origin: Option<Origin>,
    /// The key or the section that is wrong.
    pub(crate) path: KeyPath,
    pub(crate) text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever found it may repeat a value.
        let text = without_passwords(&self.text);
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {text}"),
            None => f.write_str(&text),
        }
    }
}

/// One source of settings, or several merged key by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub(crate) settings: BTreeMap<KeyPath, Setting>,
    /// Where sections begin that have a place of their own.
    pub(crate) sections: BTreeMap<KeyPath, Origin>,
    pub(crate) mistakes: Vec<Mistake>,
}

impl Layer {
    pub(crate) fn set(&mut self, path: KeyPath, value: Value, origin: Origin) {
        self.settings.insert(path, Setting { value, origin });
    }

    /// Whether so much is wrong that looking further helps nobody.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.mistakes.len() >= MISTAKES_READ_MAX
    }

    pub(crate) fn mistake(&mut self, origin: &Origin, path: &[String], text: String) {
        self.mistakes.push(Mistake {
            origin: Some(origin.clone()),
            path: path.to_vec(),
            text,
        });
    }

    /// Puts a later layer on top.
    pub(crate) fn cover(&mut self, later: Layer) {
        for (path, setting) in later.settings {
            // A value in place of a section, or the other way round, covers it whole.
            self.settings
                .retain(|other, _| !other.starts_with(&path) && !path.starts_with(other));
            self.settings.insert(path, setting);
        }
        self.sections.extend(later.sections);
        self.mistakes.extend(later.mistakes);
    }

    /// All that is set, as one object.
    pub(crate) fn values(&self) -> Map<String, Value> {
        let mut values = Map::new();
        for (path, setting) in &self.settings {
            if !setting.value.is_null() {
                put(&mut values, path, setting.value.clone());
            }
        }
        values
    }

    /// Where this key was set, or else the closest section around it.
    pub(crate) fn origin(&self, path: &[String]) -> Option<&Origin> {
        if let Some(setting) = self.settings.get(path) {
            return Some(&setting.origin);
        }
        (1..=path.len())
            .rev()
            .find_map(|length| self.sections.get(&path[..length]))
    }
}

/// Puts a value to its place; what is no object on the way there is replaced.
pub(crate) fn put(values: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut object = values;
    for name in parents {
        let next = object.entry(name.clone()).or_insert(Value::Null);
        if !next.is_object() {
            *next = Value::Object(Map::new());
        }
        let Value::Object(next) = next else { return };
        object = next;
    }
    object.insert(last.clone(), value);
}

/// A section as it is written in the file.
pub(crate) fn section_name(path: &[String]) -> String {
    format!("[{}]", path.join(".").escape_debug())
}

/// A key with its section, as in `[api] listen`.
pub(crate) fn key_name(path: &[String]) -> String {
    match path.split_last() {
        None => "the configuration".to_owned(),
        Some((key, [])) => key.escape_debug().to_string(),
        Some((key, section)) => format!("{} {}", section_name(section), key.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn layer(flag: &'static str, settings: &[(&str, Value)]) -> Layer {
        let mut layer = Layer::default();
        for (path, value) in settings {
            let path = path.split('.').map(str::to_owned).collect();
            layer.set(path, value.clone(), Origin::Flag(flag));
        }
        layer
    }

    #[test]
    fn layers_are_merged_key_by_key_and_null_takes_away() {
        let mut all = layer(
            "a",
            &[("a.x", json!(1)), ("a.y", json!(2)), ("b", json!([1]))],
        );
        all.cover(layer(
            "b",
            &[("a.y", json!(3)), ("b", json!([])), ("c.d.e", json!(4))],
        ));
        all.cover(layer("c", &[("a.x", Value::Null)]));
        assert_eq!(
            Value::Object(all.values()),
            json!({"a": {"y": 3}, "b": [], "c": {"d": {"e": 4}}})
        );
        let path = ["a".to_owned(), "y".to_owned()];
        assert_eq!(all.origin(&path), Some(&Origin::Flag("b")));
    }
}
