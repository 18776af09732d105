//! How is the configuration shown?
//!
//! As a file that could be read again: with values where they are in force, or with all that could be said.

use std::fmt::Write;

use photinus_contract::secrets::MASK;
use serde_json::{Map, Value, json};

use super::Configuration;
use super::check::{example, expected, grouped};
use super::layer::{KeyPath, Layer, put};
use super::schema::{Node, Schema};
use super::urls::hide_passwords;

/// The columns that a comment fills.
const COLUMNS: usize = 100;

/// What is in force, with where it comes from, as TOML.
pub(crate) fn toml(configuration: &Configuration) -> String {
    let values = masked(configuration);
    let mut out = String::new();
    for (section, keys) in sections(&configuration.schema, &configuration.given) {
        if !section.is_empty() {
            let _ = writeln!(out, "\n{}", quoted_section(&section));
        }
        for path in keys {
            let name = path.last().map(|name| quoted(name)).unwrap_or_default();
            let origin = configuration.given.settings.get(&path);
            let origin = origin.map(|setting| format!("  # {}", one_line(&setting.origin)));
            let _ = match at(&values, &path) {
                Some(value) => write!(out, "{name} = {}", text(value)),
                None => write!(out, "# {name} is not set"),
            };
            let _ = writeln!(out, "{}", origin.unwrap_or_default());
        }
    }
    out
}

/// The same as JSON: the values, and for each that is no default where it comes from.
pub(crate) fn json(configuration: &Configuration) -> String {
    let origins: Map<String, Value> = configuration
        .given
        .settings
        .iter()
        .map(|(path, setting)| (path.join("."), json!(setting.origin.to_string())))
        .collect();
    let shown = json!({"configuration": masked(configuration), "origins": origins});
    format!("{shown:#}\n")
}

/// A file to begin with: every key with its meaning and its default, none of them set.
pub(crate) fn template(schema: &Schema) -> String {
    let mut out = "# Configuration of Photinus. Every key is here with its default; remove the # before a key to set it.\n\
        # To have an editor complete and check it, write the schema next to it\n\
        #     photinus config schema > photinus.schema.json\n\
        # and make this the first line:  #:schema ./photinus.schema.json\n"
        .to_owned();
    for (section, keys) in sections(schema, &Layer::default()) {
        if !section.is_empty() {
            out.push('\n');
            if let Some(node) = schema.root().at(&section) {
                comment(&mut out, &node.description());
            }
            let _ = writeln!(out, "{}", quoted_section(&section));
        }
        for path in keys {
            let Some(node) = schema.root().at(&path) else {
                continue;
            };
            let name = path.last().map(|name| quoted(name)).unwrap_or_default();
            out.push('\n');
            comment(&mut out, &node.description());
            comment(&mut out, &format!("{}.", capital(&takes(node))));
            let _ = match node.default() {
                Some(value) => writeln!(out, "#{name} = {}", text(value)),
                None => writeln!(out, "#{name} ="),
            };
        }
    }
    for (mut path, node) in schema.root().open_sections() {
        let children = node.any_child().map(Node::children).unwrap_or_default();
        out.push('\n');
        comment(&mut out, &node.description());
        if !children.is_empty() {
            path.push("NAME".to_owned());
        }
        let _ = writeln!(out, "#{}", quoted_section(&path));
        match children.is_empty() {
            true => out.push_str("#NAME =\n"),
            false => children
                .keys()
                .for_each(|name| out.push_str(&format!("#{name} =\n"))),
        }
    }
    out
}

/// What a key takes, and with which meanings.
pub(crate) fn takes(node: Node<'_>) -> String {
    // The default stands on the next line.
    let mut takes = expected(node).replace(&example(node), "");
    if node.has_to_be_set() {
        takes.push_str("; has to be set");
    } else if node.default().is_none() {
        takes.push_str("; not set by default");
    }
    for (option, meaning) in node.options() {
        if let Some(meaning) = meaning.filter(|_| node.options().len() > 1) {
            takes.push_str(&format!(
                ". {option}: {}",
                one_line(&meaning.trim_end_matches('.'))
            ));
        }
    }
    takes
}

/// The keys of each section, those too that only the operator names.
pub(crate) fn sections(schema: &Schema, given: &Layer) -> Vec<(KeyPath, Vec<KeyPath>)> {
    let mut sections: Vec<(KeyPath, Vec<KeyPath>)> = Vec::new();
    let known = schema.root().keys().into_iter().map(|(path, _)| path);
    for path in known.chain(given.settings.keys().cloned()) {
        let section = &path[..path.len().saturating_sub(1)];
        match sections.iter_mut().find(|(other, _)| other == section) {
            Some((_, keys)) if keys.contains(&path) => {}
            Some((_, keys)) => keys.push(path),
            None => sections.push((section.to_vec(), vec![path])),
        }
    }
    sections
}

/// All values in force, the defaults among them, and no secrets.
fn masked(configuration: &Configuration) -> Map<String, Value> {
    let mut values = Map::new();
    for (path, node) in configuration.schema.root().keys() {
        if let Some(default) = node.default() {
            put(&mut values, &path, default.clone());
        }
    }
    for (path, setting) in &configuration.given.settings {
        put(&mut values, path, setting.value.clone());
    }
    configuration.schema.mask(&mut values);
    values.values_mut().for_each(hide_passwords);
    values
}

/// The value at a path; what is behind a mask is masked.
fn at<'a>(values: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut value = values.get(first)?;
    for name in rest {
        match value {
            Value::Object(object) => value = object.get(name)?,
            masked if masked == MASK => return Some(masked),
            _ => return None,
        }
    }
    Some(value).filter(|value| !value.is_null())
}

/// A value in TOML, on one line.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Number(_) => grouped(value),
        Value::Null => "\"\"".to_owned(),
        value => match toml::Value::try_from(value) {
            Ok(value) => value.to_string(),
            Err(_) => value.to_string(),
        },
    }
}

fn quoted(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !name.is_empty() && name.bytes().all(is_bare) {
        true => name.to_owned(),
        false => toml::Value::from(name).to_string(),
    }
}

fn quoted_section(path: &[String]) -> String {
    let names: Vec<String> = path.iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join("."))
}

fn one_line(text: &impl ToString) -> String {
    let text = text.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Lines that begin with `# `.
fn comment(out: &mut String, text: &str) {
    for paragraph in text.lines().filter(|line| !line.is_empty()) {
        let mut line = "#".to_owned();
        for word in paragraph.split(' ') {
            if line.len() + 1 + word.len() > COLUMNS {
                let _ = writeln!(out, "{line}");
                line = "#".to_owned();
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(out, "{line}");
    }
}
