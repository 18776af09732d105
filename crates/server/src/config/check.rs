//! Is a value one that its key takes?
//!
//! By the schema alone, so that the words for what is wrong are the same for every key, also for those of
//! transports. What a schema cannot say, the code that reads the value checks afterwards.

use serde_json::{Map, Value};

use super::nearest::nearest;
use super::schema::Node;
use super::urls::hide_passwords;

/// What texts of a `format` look like. A format that is not here is a text like any other.
pub(crate) const FORMATS: [(&str, &str); 3] = [
    (
        "ip-port",
        "an IP address and a port such as \"127.0.0.1:5000\"",
    ),
    ("go-duration", "a duration such as \"250ms\" or \"1m30s\""),
    ("path", "a path"),
];
/// Longer values are cut where they are shown.
const SHOWN_MAX: usize = 60;

/// What is wrong with a value, in words that follow the name of its key.
pub(crate) fn check(node: Node<'_>, value: &Value, is_secret: bool) -> Result<(), String> {
    if fits(node, value) {
        return Ok(());
    }
    let mut text = format!("expected {}", expected(node));
    if !is_secret {
        text.push_str(&format!(", got {}", shown(value)));
        let options = node.options();
        let options = options.iter().filter_map(|(option, _)| option.as_str());
        if let Some(near) = value.as_str().and_then(|written| nearest(written, options)) {
            text.push_str(&format!("; did you mean \"{near}\"?"));
        }
    }
    Err(text)
}

/// Whether the value is within what the schema says of types, ranges, lengths and choices.
fn fits(node: Node<'_>, value: &Value) -> bool {
    let number = value.as_f64();
    let bounded = |keyword: &str, holds: fn(f64, f64) -> bool, size: Option<f64>| match (
        node.own_keyword(keyword).and_then(Value::as_f64),
        size,
    ) {
        (Some(bound), Some(size)) => holds(size, bound),
        _ => true,
    };
    let length = value.as_str().map(|text| text.chars().count() as f64);
    let count = value.as_array().map(|list| list.len() as f64);
    let is_one_of_types = match node.own_keyword("type") {
        Some(Value::String(of)) => is_of(value, of),
        Some(Value::Array(types)) => types
            .iter()
            .filter_map(Value::as_str)
            .any(|of| is_of(value, of)),
        _ => true,
    };
    let mut choices = node.choices().peekable();
    is_one_of_types
        && bounded("minimum", |size, bound| size >= bound, number)
        && bounded("maximum", |size, bound| size <= bound, number)
        && bounded("exclusiveMinimum", |size, bound| size > bound, number)
        && bounded("exclusiveMaximum", |size, bound| size < bound, number)
        && bounded("minLength", |size, bound| size >= bound, length)
        && bounded("maxLength", |size, bound| size <= bound, length)
        && bounded("minItems", |size, bound| size >= bound, count)
        && bounded("maxItems", |size, bound| size <= bound, count)
        && node
            .own_keyword("const")
            .is_none_or(|expected| expected == value)
        && node
            .own_keyword("enum")
            .and_then(Value::as_array)
            .is_none_or(|options| options.contains(value))
        && (choices.peek().is_none() || choices.any(|choice| fits(choice, value)))
        && value
            .as_array()
            .is_none_or(|list| list.iter().all(|item| fits(node.items(), item)))
        && value
            .as_object()
            .is_none_or(|table| has_right_keys(node, table))
}

/// Whether what has to be in a table is there, and nothing that is wrong.
fn has_right_keys(node: Node<'_>, table: &Map<String, Value>) -> bool {
    let required = node.own_keyword("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    required.all(|name| table.contains_key(name))
        && table.iter().all(|(name, value)| {
            let child = node.own_child(name);
            child.is_some_and(|child| fits(child, value))
        })
}

fn is_of(value: &Value, of: &str) -> bool {
    match of {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        // A word of a later version of JSON Schema.
        _ => true,
    }
}

/// What a key takes, for people.
pub(crate) fn expected(node: Node<'_>) -> String {
    if node.is_section() {
        return "a section with keys of its own".to_owned();
    }
    let options = node.options().into_iter();
    let options: Vec<String> = options.map(|(option, _)| option.to_string()).collect();
    let mut words = match &options[..] {
        [] => kinds(node),
        [only] => vec![only.clone()],
        options => vec![format!("one of {}", options.join(", "))],
    };
    words.extend(node.tables().map(table));
    match words.is_empty() {
        true => "something else".to_owned(),
        false => words.join(" or "),
    }
}

/// The types that are no table.
fn kinds(node: Node<'_>) -> Vec<String> {
    let types = node.types().into_iter();
    let types = types.filter(|of| !matches!(*of, "null" | "object"));
    types
        .map(|of| match of {
            "boolean" => "true or false".to_owned(),
            "integer" => format!("a whole number{}", range(node)),
            "number" => format!("a number{}", range(node)),
            "array" => format!("a list, each item {}", expected(node.items())),
            _ => words(node),
        })
        .collect()
}

/// A table with these keys as it is written, without what stands behind them.
fn table<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let keys = names.into_iter();
    let keys: Vec<String> = keys
        .map(|name| format!("{} = …", name.escape_debug()))
        .collect();
    match keys.is_empty() {
        true => "a table".to_owned(),
        false => format!("{{ {} }}", keys.join(", ")),
    }
}

fn words(node: Node<'_>) -> String {
    let format = node.keyword("format").and_then(Value::as_str);
    let mut formats = FORMATS.iter();
    let known = formats.find_map(|(name, words)| (format == Some(name)).then_some(*words));
    known.map_or_else(|| format!("a text{}", example(node)), str::to_owned)
}

/// The range of a number, as in ` from 1 to 9`.
pub(crate) fn range(node: Node<'_>) -> String {
    let bound = |name| node.keyword(name).map(grouped);
    match (bound("minimum"), bound("maximum")) {
        (None, None) => String::new(),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
    }
}

/// The default, where it shows what would be right.
pub(crate) fn example(node: Node<'_>) -> String {
    match node.default() {
        Some(default @ Value::String(_)) => format!(" such as {default}"),
        _ => String::new(),
    }
}

/// A number as people read it and TOML takes it: with `_` between thousands.
pub(crate) fn grouped(value: &Value) -> String {
    let text = value.to_string();
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if digits.len() < 5 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return text;
    }
    let mut out = text[..text.len() - digits.len()].to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

/// A value as an error shows it: one line, and not a long one.
pub(crate) fn shown(value: &Value) -> String {
    // A part of a password that is cut off is one, too.
    let mut value = value.clone();
    hide_passwords(&mut value);
    let text = match &value {
        Value::Number(_) => grouped(&value),
        // What of it is a secret depends on the keys, and one of them may be wrong.
        Value::Object(keys) => table(keys.keys().map(String::as_str)),
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN_MAX) {
        None => text,
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::Schema;
    use serde_json::json;

    #[test]
    fn a_value_is_checked_by_what_the_schema_says() {
        let number = json!({"type": "integer", "minimum": 1, "maximum": 70000});
        let word = json!({"oneOf": [{"const": "full", "type": "string"}, {"const": "normal", "type": "string"}]});
        let texts = json!({"type": "array", "items": {"type": "string", "minLength": 1}});
        let perhaps = json!({"anyOf": [word, {"type": "null"}]});
        let either = json!({"type": ["integer", "string"]});
        let any = json!({});
        let closed = json!({"type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": "integer"}, "b\n": {}}});
        let table =
            json!({"type": ["boolean", "object"], "additionalProperties": {"type": "string"}});
        let text_or_table = json!({"anyOf": [{"type": "string"}, closed, {"type": "null"}]});
        for (schema, value, expected) in [
            (&number, json!(1), Ok(())),
            (&number, json!(70000), Ok(())),
            (
                &number,
                json!(0),
                Err("expected a whole number from 1 to 70_000, got 0"),
            ),
            (
                &number,
                json!(70001),
                Err("expected a whole number from 1 to 70_000, got 70_001"),
            ),
            (
                &number,
                json!("1"),
                Err("expected a whole number from 1 to 70_000, got \"1\""),
            ),
            (
                &number,
                json!(1.5),
                Err("expected a whole number from 1 to 70_000, got 1.5"),
            ),
            (&word, json!("full"), Ok(())),
            (
                &word,
                json!("norml"),
                Err(
                    "expected one of \"full\", \"normal\", got \"norml\"; did you mean \"normal\"?",
                ),
            ),
            (&perhaps, json!("normal"), Ok(())),
            (&perhaps, Value::Null, Ok(())),
            (
                &perhaps,
                json!(5),
                Err("expected one of \"full\", \"normal\", got 5"),
            ),
            (&texts, json!(["a"]), Ok(())),
            (&texts, json!([]), Ok(())),
            (
                &texts,
                json!("a"),
                Err("expected a list, each item a text, got \"a\""),
            ),
            (
                &texts,
                json!(["a", 1]),
                Err("expected a list, each item a text, got [\"a\",1]"),
            ),
            (
                &texts,
                json!([""]),
                Err("expected a list, each item a text, got [\"\"]"),
            ),
            (&either, json!(1), Ok(())),
            (
                &either,
                json!(true),
                Err("expected a whole number or a text, got true"),
            ),
            (&any, json!({"x": 1}), Ok(())),
            (&text_or_table, json!("x"), Ok(())),
            (&text_or_table, json!({"a": 1, "b\n": "x"}), Ok(())),
            (
                &text_or_table,
                json!({"b\n": 1}),
                Err("expected a text or { a = …, b\\n = … }, got { b\\n = … }"),
            ),
            (
                &text_or_table,
                json!({"a": 1, "c": 1}),
                Err("expected a text or { a = …, b\\n = … }, got { a = …, c = … }"),
            ),
            (
                &text_or_table,
                json!({"a": "x"}),
                Err("expected a text or { a = …, b\\n = … }, got { a = … }"),
            ),
            (
                &text_or_table,
                json!([]),
                Err("expected a text or { a = …, b\\n = … }, got []"),
            ),
            (&table, json!({"a": "x"}), Ok(())),
            (
                &table,
                json!({"a": 1}),
                Err("expected true or false or a table, got { a = … }"),
            ),
        ] {
            let schema = Schema::of_value(schema.clone());
            let checked = check(schema.root(), &value, false);
            assert_eq!(checked, expected.map_err(str::to_owned), "{value}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated_and_a_long_value_is_cut() {
        let schema = Schema::of_value(json!({"type": "string"}));
        let error = check(schema.root(), &json!(12345), true).unwrap_err();
        assert_eq!(error, "expected a text");
        let long: Vec<u8> = vec![7; 1000];
        let error = check(schema.root(), &json!(long), false).unwrap_err();
        assert!(error.len() < 120, "{error}");
        let cut = json!(format!("x://{}:secret@host", "u".repeat(SHOWN_MAX - 8)));
        assert!(!shown(&cut).contains("sec"), "{}", shown(&cut));
    }

    #[test]
    fn numbers_are_grouped_as_toml_takes_them() {
        for (number, text) in [
            (json!(0), "0"),
            (json!(9999), "9999"),
            (json!(10000), "10_000"),
            (json!(-1234567), "-1_234_567"),
            (json!(1.5), "1.5"),
        ] {
            assert_eq!(grouped(&number), text);
        }
    }
}
