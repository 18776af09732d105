//! What does the configuration file say?

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

use super::check::check;
use super::layer::{KeyPath, Layer, Mistake, Origin, key_name};
use super::schema::{Node, Schema};
use super::unknown;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The bits of a file's mode that let everybody read it.
const READABLE_BY_ALL: u32 = 0o004;

/// A file that was read.
pub(crate) struct File {
    pub(crate) layer: Layer,
    /// What an operator should know although it is no mistake.
    pub(crate) warnings: Vec<String>,
}

/// Reads a file; `name` stands for it in what is said of it.
pub(crate) fn read(path: &Path, schema: &Schema) -> Result<File, Mistake> {
    let name = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| Mistake {
        origin: None,
        path: KeyPath::new(),
        text: format!("{name}: cannot read the configuration file: {error}"),
    };
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    let is_readable_by_all = file
        .metadata()
        .is_ok_and(|found| found.permissions().mode() & READABLE_BY_ALL != 0);
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(&format!(
            "it has more than {FILE_BYTES_MAX} bytes"
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8"))?;

    let layer = parse(&text, &name, schema);
    let mut warnings = Vec::new();
    let secret = layer
        .settings
        .iter()
        .filter(|(_, setting)| !says_where(&setting.value))
        .find(|(path, setting)| schema.holds_secret(path, &setting.value));
    if let Some((key, setting)) = secret.filter(|_| is_readable_by_all) {
        warnings.push(format!(
            "{}: {} holds a secret, and everybody on this machine can read the file: chmod o-r {name}",
            setting.origin,
            key_name(key)
        ));
    }
    Ok(File { layer, warnings })
}

/// Whether it is `{ env = … }` or `{ file = … }`: the secret itself stands there, and not in this file.
fn says_where(value: &Value) -> bool {
    let table = value.as_object().filter(|table| table.len() == 1);
    table.is_some_and(|table| table.contains_key("env") || table.contains_key("file"))
}

/// The settings of a TOML text, checked key by key.
pub(crate) fn parse(text: &str, name: &str, schema: &Schema) -> Layer {
    let lines = Lines::new(text, name);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut layer = Layer::default();
    if errors.is_empty() {
        let mut reading = Reading {
            lines: &lines,
            schema,
            path: Vec::new(),
            layer: &mut layer,
        };
        reading.table(schema.root(), table.get_ref());
    }
    for error in errors {
        if layer.is_hopeless() {
            break;
        }
        // The line is not repeated: it may hold a secret.
        let start = error.span().map_or(0, |span| span.start);
        let column = lines.column(start);
        let text = format!("column {column}: {}", error.message().replace('\n', ", "));
        layer.mistake(&lines.origin(start), &[], text);
    }
    layer
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    name: Arc<str>,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str, name: &str) -> Self {
        let breaks = text.match_indices('\n').map(|(index, _)| index + 1);
        Self {
            text,
            name: name.into(),
            starts: std::iter::once(0).chain(breaks).collect(),
        }
    }

    fn origin(&self, byte: usize) -> Origin {
        let line = self.starts.partition_point(|start| *start <= byte);
        Origin::File(self.name.clone(), line)
    }

    fn column(&self, byte: usize) -> usize {
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self.starts[line.saturating_sub(1)];
        1 + self
            .text
            .get(start..byte)
            .map_or(0, |before| before.chars().count())
    }
}

struct Reading<'a> {
    lines: &'a Lines<'a>,
    schema: &'a Schema,
    path: KeyPath,
    layer: &'a mut Layer,
}

impl Reading<'_> {
    fn table(&mut self, node: Node<'_>, table: &DeTable<'_>) {
        for (key, value) in table {
            if self.layer.is_hopeless() {
                return;
            }
            let origin = self.lines.origin(key.span().start);
            let name = key.get_ref();
            let Some(child) = node.child(name) else {
                let kind = unknown::Kind::of_table(matches!(value.get_ref(), DeValue::Table(_)));
                let text = unknown::text(self.schema, &self.path, name, kind);
                self.layer.mistake(&origin, &self.path, text);
                continue;
            };
            self.path.push(name.clone().into_owned());
            self.value(child, value.get_ref(), origin);
            self.path.pop();
        }
    }

    fn value(&mut self, node: Node<'_>, value: &DeValue<'_>, origin: Origin) {
        if let DeValue::Table(table) = value
            && node.is_section()
        {
            self.layer
                .sections
                .insert(self.path.clone(), origin.clone());
            if table.is_empty() && node.is_optional() {
                self.layer.set(self.path.clone(), json!({}), origin);
            }
            return self.table(node, table);
        }
        let is_secret = self.schema.is_secret(&self.path);
        match plain(value).and_then(|value| check(node, &value, is_secret).map(|()| value)) {
            Ok(value) => self.layer.set(self.path.clone(), value, origin),
            Err(error) => {
                let text = format!("{}: {error}", key_name(&self.path));
                self.layer.mistake(&origin, &self.path, text);
            }
        }
    }
}

/// A value of TOML in the words of JSON.
pub(crate) fn plain(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => json!(text),
        DeValue::Boolean(value) => json!(value),
        DeValue::Integer(number) => {
            let (digits, radix) = (number.as_str(), number.radix());
            let signed = i64::from_str_radix(digits, radix).map(Value::from);
            signed
                .or_else(|_| u64::from_str_radix(digits, radix).map(Value::from))
                .map_err(|_| format!("the number {number} is too large"))?
        }
        DeValue::Float(number) => {
            let parsed: f64 = number.as_str().parse().unwrap_or(f64::NAN);
            let number = serde_json::Number::from_f64(parsed);
            Value::Number(number.ok_or("expected a number that is finite")?)
        }
        DeValue::Datetime(_) => {
            return Err("expected no date; put quotes around what is a text".to_owned());
        }
        DeValue::Array(list) => list
            .iter()
            .map(|item| plain(item.get_ref()))
            .collect::<Result<Value, String>>()?,
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), plain(value.get_ref())?)))
                .collect::<Result<Map<String, Value>, String>>()?,
        ),
    })
}
