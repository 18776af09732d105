//! Which keys are there, and what may they be?
//!
//! The JSON Schema of the whole configuration, made from the types that it is read into and from what each
//! transport says of its own section. Everything that has to know a key (the layers, the errors, the reference)
//! asks here, so a new setting is one field and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use photinus_contract::TransportPlugin;
use photinus_contract::secrets::SecretPlaces;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::check::FORMATS;
use super::layer::{KeyPath, put, section_name};
use super::urls::hide_passwords;

/// The schema of everything that can be configured. References are resolved.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    value: Value,
    secrets: SecretPlaces,
}

impl Schema {
    /// The schema of `File`, with a section for each transport.
    pub(crate) fn new<File: JsonSchema>(transports: &[Box<dyn TransportPlugin>]) -> Self {
        let settings = SchemaSettings::default().with(|s| s.inline_subschemas = true);
        let mut value = settings
            .into_generator()
            .into_root_schema_for::<File>()
            .to_value();
        let sections: Map<String, Value> = transports
            .iter()
            .map(|plugin| {
                let mut section = without_references(&plugin.config_schema());
                if let Value::Object(section) = &mut section {
                    section.remove("$schema");
                    section.remove("title");
                }
                (plugin.name().to_owned(), section)
            })
            .collect();
        let transports = &mut value["properties"]["transports"];
        transports["properties"] = Value::Object(sections);
        transports["additionalProperties"] = json!(false);
        tidy(&mut value);
        name_sections(&mut value, &mut Vec::new());
        value["title"] = json!("Configuration of Photinus");
        Self::of_value(value)
    }

    pub(crate) fn of_value(value: Value) -> Self {
        let secrets = SecretPlaces::of_schema(&value);
        Self { value, secrets }
    }

    pub(crate) fn root(&self) -> Node<'_> {
        Node(&self.value)
    }

    /// As it is given to editors.
    pub(crate) fn to_json(&self) -> String {
        let mut value = self.value.clone();
        without_formats(&mut value);
        format!("{value:#}\n")
    }

    /// Hides what must not be shown.
    pub(crate) fn mask(&self, values: &mut Map<String, Value>) {
        self.secrets.take(values);
    }

    /// Whether this key must not be shown.
    pub(crate) fn is_secret(&self, path: &[String]) -> bool {
        self.is_secret_in(path, json!(true))
    }

    /// Whether this value of a key has something in it that must not be shown.
    pub(crate) fn holds_secret(&self, path: &[String], value: &Value) -> bool {
        let mut shown = value.clone();
        hide_passwords(&mut shown);
        shown != *value || self.is_secret_in(path, shown)
    }

    fn is_secret_in(&self, path: &[String], value: Value) -> bool {
        let mut values = Map::new();
        put(&mut values, path, value);
        !self.secrets.take(&mut values).is_empty()
    }
}

/// A section or a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a>(&'a Value);

impl<'a> Node<'a> {
    /// This schema and the branches of its choices.
    fn branches(self) -> Vec<Node<'a>> {
        let mut branches = vec![self];
        for choice in ["allOf", "anyOf", "oneOf"] {
            for branch in self.0[choice].as_array().into_iter().flatten() {
                branches.extend(Node(branch).branches());
            }
        }
        branches
    }

    /// The schemas of which a value has to fit one.
    pub(crate) fn choices(self) -> impl Iterator<Item = Node<'a>> {
        ["anyOf", "oneOf"]
            .into_iter()
            .flat_map(move |choice| self.0[choice].as_array().into_iter().flatten())
            .map(Node)
    }

    /// What a section names.
    pub(crate) fn children(self) -> BTreeMap<&'a str, Node<'a>> {
        let mut children = BTreeMap::new();
        for branch in self.branches() {
            for (name, child) in branch.0["properties"].as_object().into_iter().flatten() {
                children.entry(name.as_str()).or_insert(Node(child));
            }
        }
        children
    }

    /// What a section has under this name. Some sections take any name.
    pub(crate) fn child(self, name: &str) -> Option<Node<'a>> {
        self.children().remove(name).or_else(|| self.any_child())
    }

    /// What a section has under names that it does not name.
    pub(crate) fn any_child(self) -> Option<Node<'a>> {
        let tables = self.branches().into_iter().filter(|branch| {
            branch.0["properties"].is_object() || branch.0["type"] == json!("object")
        });
        for table in tables {
            match &table.0["additionalProperties"] {
                Value::Bool(false) => {}
                Value::Object(_) => return Some(Node(&table.0["additionalProperties"])),
                _ => return Some(Node(&Value::Bool(true))),
            }
        }
        None
    }

    /// What this schema itself, without its branches, says of a key; nothing if it refuses it.
    pub(crate) fn own_child(self, name: &str) -> Option<Node<'a>> {
        if let Some(named) = self.0["properties"].get(name) {
            return Some(Node(named));
        }
        let is_closed = self.0["additionalProperties"] == json!(false);
        // Keys of a pattern are not looked at.
        let is_open = !is_closed || self.0["patternProperties"].is_object();
        is_open.then_some(Node(&self.0["additionalProperties"]))
    }

    /// Whether this has keys of its own, and is no value. What may be a text as well is a value, which is set and
    /// covered as a whole.
    pub(crate) fn is_section(self) -> bool {
        let types = self.types();
        types.iter().all(|of| matches!(*of, "object" | "null"))
            && (types.contains("object") || !self.children().is_empty())
    }

    /// The tables that this may be, each by the names of its keys.
    pub(crate) fn tables(self) -> impl Iterator<Item = Vec<&'a str>> {
        let is_table = |schema: &Value| {
            let types = schema["type"].as_array().into_iter().flatten();
            let mut types = types.chain([&schema["type"]]);
            schema["properties"].is_object() || types.any(|of| of == "object")
        };
        let branches = self.branches().into_iter().map(|branch| branch.0);
        branches
            .filter(move |branch| is_table(branch))
            .map(|table| {
                let names = table["properties"].as_object().into_iter().flatten();
                names.map(|(name, _)| name.as_str()).collect()
            })
    }

    /// Whether `null`, which is to say nothing, is a value too.
    pub(crate) fn is_optional(self) -> bool {
        self.types().contains("null")
    }

    /// The types that the schema names; any, if it names none.
    pub(crate) fn types(self) -> BTreeSet<&'a str> {
        let mut types = BTreeSet::new();
        for branch in self.branches() {
            match &branch.0["type"] {
                Value::String(of) => drop(types.insert(of.as_str())),
                Value::Array(list) => types.extend(list.iter().filter_map(Value::as_str)),
                _ => {}
            }
        }
        types
    }

    /// The values that it is one of, each with its meaning; empty if it is not so bounded.
    pub(crate) fn options(self) -> Vec<(&'a Value, Option<&'a str>)> {
        let mut options = Vec::new();
        for branch in self.branches() {
            let meaning = branch.0["description"].as_str();
            if let Some(value) = branch.0.get("const") {
                options.push((value, meaning));
            }
            for value in branch.0["enum"].as_array().into_iter().flatten() {
                options.push((value, None));
            }
        }
        options
    }

    /// What the items of a list are.
    pub(crate) fn items(self) -> Node<'a> {
        let mut branches = self.branches().into_iter();
        branches
            .find_map(|branch| branch.0.get("items"))
            .map_or(Node(&Value::Bool(true)), Node)
    }

    /// A keyword of the schema, also of a branch.
    pub(crate) fn keyword(self, name: &str) -> Option<&'a Value> {
        let mut branches = self.branches().into_iter();
        branches.find_map(|branch| branch.0.get(name))
    }

    /// The same, only of this schema itself.
    pub(crate) fn own_keyword(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// The default, if it is not to say nothing.
    pub(crate) fn default(self) -> Option<&'a Value> {
        self.0.get("default").filter(|value| !value.is_null())
    }

    /// Whether there is nothing to be if nobody sets it.
    pub(crate) fn has_to_be_set(self) -> bool {
        self.own_keyword("default").is_none() && !self.is_optional()
    }

    /// The meaning, as paragraphs of one line each.
    pub(crate) fn description(self) -> String {
        let text = self.0["description"].as_str().unwrap_or_default();
        let paragraphs = text.split("\n\n").map(|paragraph| {
            let words: Vec<&str> = paragraph.split_whitespace().collect();
            words.join(" ")
        });
        paragraphs.collect::<Vec<_>>().join("\n\n")
    }

    /// Every key that has a value, with its path, section by section: first what a section has itself.
    pub(crate) fn keys(self) -> Vec<(KeyPath, Node<'a>)> {
        let mut found = Vec::new();
        self.search(&mut Vec::new(), &mut found);
        found
    }

    /// Every section whose keys only the operator names, with its path.
    pub(crate) fn open_sections(self) -> Vec<(KeyPath, Node<'a>)> {
        let mut found = Vec::new();
        for (name, child) in self.children() {
            if child.is_section() && child.children().is_empty() && child.any_child().is_some() {
                found.push((vec![name.to_owned()], child));
            }
            for (mut path, node) in child.open_sections() {
                path.insert(0, name.to_owned());
                found.push((path, node));
            }
        }
        found
    }

    fn search(self, path: &mut KeyPath, found: &mut Vec<(KeyPath, Node<'a>)>) {
        for sections in [false, true] {
            for (name, child) in self.children() {
                path.push(name.to_owned());
                match child.is_section() {
                    true if sections => child.search(path, found),
                    false if !sections => found.push((path.clone(), child)),
                    _ => {}
                }
                path.pop();
            }
        }
    }

    /// The node at a path.
    pub(crate) fn at(self, path: &[String]) -> Option<Node<'a>> {
        path.iter().try_fold(self, |node, name| node.child(name))
    }
}

/// A schema in which each reference is replaced by what it names. One that contains itself takes anything there.
fn without_references(schema: &Value) -> Value {
    fn resolved(root: &Value, schema: &Value, followed: &mut Vec<String>) -> Value {
        match schema {
            Value::Array(list) => list
                .iter()
                .map(|item| resolved(root, item, followed))
                .collect(),
            Value::Object(map) => {
                let mut object = Map::new();
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let target = reference.strip_prefix('#').and_then(|r| root.pointer(r));
                    match target {
                        Some(target) if !followed.contains(reference) => {
                            followed.push(reference.clone());
                            if let Value::Object(target) = resolved(root, target, followed) {
                                object = target;
                            }
                            followed.pop();
                        }
                        // What cannot be seen may be a secret, if anything is.
                        _ if SecretPlaces::of_schema(root) != SecretPlaces::default() => {
                            object.insert("writeOnly".to_owned(), Value::Bool(true));
                        }
                        _ => {}
                    }
                }
                for (key, value) in map {
                    if key != "$ref" && key != "$defs" {
                        object.insert(key.clone(), resolved(root, value, followed));
                    }
                }
                Value::Object(object)
            }
            other => other.clone(),
        }
    }
    resolved(schema, schema, &mut Vec::new())
}

/// Formats that are only ours are none to an editor, and some refuse what they do not know.
fn without_formats(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let format = map.get("format").and_then(Value::as_str);
            if format.is_some_and(|format| FORMATS.iter().any(|(own, _)| *own == format)) {
                map.remove("format");
            }
            map.values_mut().for_each(without_formats);
        }
        Value::Array(list) => list.iter_mut().for_each(without_formats),
        _ => {}
    }
}

/// Gives each section its name as title, for editors.
fn name_sections(schema: &mut Value, path: &mut KeyPath) {
    let properties = schema.get_mut("properties");
    let children = properties.and_then(Value::as_object_mut);
    for (name, child) in children.into_iter().flatten() {
        if Node(child).is_section() {
            path.push(name.clone());
            child["title"] = json!(section_name(path));
            name_sections(child, path);
            path.pop();
        }
    }
}

/// Takes out what says nothing to a reader: formats of machines, and line breaks of the source.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let is_width = |format: &Value| {
                format.as_str().is_some_and(|format| {
                    let digits = format.trim_start_matches(|c: char| !c.is_ascii_digit());
                    format.starts_with("uint") || (format.starts_with("int") && !digits.is_empty())
                })
            };
            if map.get("format").is_some_and(is_width) {
                map.remove("format");
            }
            if let Some(Value::String(text)) = map.get("description") {
                let text = json!({ "description": text });
                let text = Node(&text).description();
                map.insert("description".to_owned(), json!(text));
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}
