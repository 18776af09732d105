//! Can it be meant, each setting alone and all of them together?

use std::collections::BTreeMap;
use std::net::SocketAddr;

use photinus_contract::TransportPlugin;
use serde_json::{Map, Value};

use super::layer::{Layer, Mistake, key_name, put, section_name};
use super::schema::Schema;
use super::{File, Mistakes, Settings, check};

/// What the layers say together. Everything is looked at, so that all mistakes are told at once; but no section
/// as a whole in which something is wrong already.
pub(crate) fn decode(
    given: &mut Layer,
    schema: &Schema,
    plugins: &[Box<dyn TransportPlugin>],
) -> Result<Settings, Mistakes> {
    let mut mistakes = std::mem::take(&mut given.mistakes);
    let mut values = given.values();
    let sections = match values.remove("transports") {
        Some(Value::Object(sections)) => sections,
        _ => Map::new(),
    };
    let is_right = |mistakes: &[Mistake], section: &[String]| {
        let concerns = |mistake: &Mistake| {
            // A name that is unknown at the very top is no part of any section.
            let is_around = !mistake.path.is_empty() && section.starts_with(&mistake.path);
            is_around || mistake.path.starts_with(section)
        };
        !mistakes.iter().any(concerns)
    };
    let read = mistakes.clone();
    let transports = transports(sections, given, plugins, &mut mistakes, |section| {
        is_right(&read, section)
    });
    let file: File = match serde_json::from_value(Value::Object(values)) {
        Ok(file) => file,
        Err(error) => {
            mistakes.push(Mistake {
                origin: None,
                path: Vec::new(),
                text: error.to_string(),
            });
            return Err(Mistakes::new(mistakes));
        }
    };
    let settings = Settings::new(file, transports);
    for (section, checked) in settings.checks() {
        let section = [section.to_owned()];
        if let (Err(error), true) = (checked, is_right(&read, &section)) {
            mistakes.push(of_section(given, &section, &error));
        }
    }
    if mistakes.is_empty() {
        mistakes = double_listeners(given, schema);
    }
    match mistakes.is_empty() {
        true => Ok(settings),
        false => Err(Mistakes::new(mistakes)),
    }
}

/// The layer without the settings that cannot be decoded, which are mistakes. Each is read alone, because a
/// decoder's words name a value and not its key.
pub(crate) fn readable(mut layer: Layer, schema: &Schema) -> Layer {
    let mut mistakes = Vec::new();
    for (path, setting) in &layer.settings {
        let is_of_transport = path.first().is_some_and(|name| name == "transports");
        if is_of_transport || setting.value.is_null() {
            continue;
        }
        let mut alone = Map::new();
        put(&mut alone, path, setting.value.clone());
        let Err(error) = serde_json::from_value::<File>(Value::Object(alone)) else {
            continue;
        };
        let error = error.to_string().replace('\n', ", ");
        let expected = schema.root().at(path).map(check::expected);
        let expected = expected.unwrap_or_default();
        let what = if schema.is_secret(path) {
            // The words may repeat the value.
            format!("expected {expected}")
        } else if error.contains("expected") {
            error
        } else {
            let got = check::shown(&setting.value);
            format!("{error}: expected {expected}, got {got}")
        };
        mistakes.push(Mistake {
            origin: Some(setting.origin.clone()),
            path: path.clone(),
            text: format!("{}: {what}", key_name(path)),
        });
    }
    for mistake in &mistakes {
        layer.settings.remove(&mistake.path);
    }
    layer.mistakes.extend(mistakes);
    layer
}

/// The sections of all transports. A transport that is not configured is checked as well: its defaults have
/// to be right.
fn transports(
    mut sections: Map<String, Value>,
    given: &Layer,
    plugins: &[Box<dyn TransportPlugin>],
    mistakes: &mut Vec<Mistake>,
    is_right: impl Fn(&[String]) -> bool,
) -> BTreeMap<String, Value> {
    let mut checked = BTreeMap::new();
    for plugin in plugins {
        let name = plugin.name();
        let section = sections
            .remove(name)
            .unwrap_or_else(|| Value::Object(Map::new()));
        let path = ["transports".to_owned(), name.to_owned()];
        if is_right(&path)
            && let Err(error) = plugin.check_config(&section)
        {
            mistakes.push(of_section(given, &path, &error));
        }
        checked.insert(name.to_owned(), section);
    }
    checked
}

/// A mistake of which the section itself says `key: what is wrong`. Its place is that of the first key in it
/// that was set, or else of the section.
fn of_section(given: &Layer, section: &[String], error: &str) -> Mistake {
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let set = error.split(|c| !is_of_name(c)).find_map(|word| {
        let mut path = section.to_vec();
        path.extend(word.trim_end_matches('.').split('.').map(str::to_owned));
        given.settings.get(&path)
    });
    let origin = set.map(|setting| &setting.origin);
    Mistake {
        origin: origin.or_else(|| given.origin(section)).cloned(),
        path: section.to_vec(),
        text: format!("{} {}", section_name(section), error.replace('\n', ", ")),
    }
}

/// Two keys `listen` that want the same port.
fn double_listeners(given: &Layer, schema: &Schema) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut taken: Vec<(String, SocketAddr)> = Vec::new();
    for (path, node) in schema.root().keys() {
        if path.last().is_none_or(|name| name != "listen") {
            continue;
        }
        let set = given.settings.get(&path).map(|setting| &setting.value);
        let address = set.or(node.default()).and_then(Value::as_str);
        let Some(address) = address.and_then(|text| text.parse::<SocketAddr>().ok()) else {
            continue;
        };
        let key = key_name(&path);
        let clash = taken.iter().find(|(_, other)| {
            let any = address.ip().is_unspecified() || other.ip().is_unspecified();
            let is_same = address.ip() == other.ip();
            let is_same_kind = address.is_ipv4() == other.is_ipv4();
            address.port() != 0
                && address.port() == other.port()
                && (is_same || (any && is_same_kind))
        });
        if let Some((other, taken)) = clash {
            // Of the two it is more often the one that was set that is wrong.
            let origin = given.origin(&path).or_else(|| {
                let path: Vec<String> = other
                    .split(['[', ']', ' ', '.'])
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect();
                given.origin(&path)
            });
            mistakes.push(Mistake {
                origin: origin.cloned(),
                path,
                text: format!("{key}: {address} is taken by {other}, {taken}; choose another port"),
            });
        }
        taken.push((key, address));
    }
    mistakes
}
