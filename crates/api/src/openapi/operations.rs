//! What is true of every operation, and need not be said at each?

use http::StatusCode;
use serde_json::{Value, json};

use super::filters;

/// What every list can be asked for: names of [`parameters`].
const LIST: [&str; 6] = ["limit", "skip", "count", "sort", "ascending", "descending"];
/// What can be wrong with any request: names of [`responses`], by their status.
const ERRORS: [(&str, &str); 4] = [
    ("400", "Refused"),
    ("404", "NotFound"),
    ("408", "TooLate"),
    ("503", "NotNow"),
];
/// And with one that has a body.
const BODY_ERRORS: [(&str, &str); 3] = [("409", "Exists"), ("413", "TooLarge"), ("415", "Type")];

/// The parameters that more than one operation has.
pub(super) fn parameters() -> Value {
    let parameter = |name: &str, place: &str, schema: Value, text: &str| json!({"name": name, "in": place, "required": place == "path", "schema": schema, "description": text});
    let number = || json!({"type": "integer", "minimum": 0});
    let mut parameters = json!({
        "ns": parameter("ns", "path", json!({"type": "string", "default": "default"}), "The namespace."),
        "rest": parameter("rest", "path", json!({"type": "string"}), "All that follows: a folder, or a DID."),
        "name": parameter("name", "path", json!({"type": "string"}), "Its name."),
        "path": parameter("path", "path", json!({"type": "string"}), "What of it."),
        "version": parameter("version", "path", json!({"type": "string"}), "Its version."),
        "collection": parameter("collection", "path", json!({"type": "string"}), "The collection."),
        "hash": parameter("hash", "path", json!({"type": "string"}), "Its hash: 64 hex digits."),
        "id": parameter("id", "path", json!({"type": "string", "format": "uuid"}), "Its id."),
        "event": parameter("event", "path", json!({"type": "string", "format": "uuid"}), "The id of an event."),
        "limit": parameter("limit", "query", number(), "Most items; 25 if it is not said; 0 is the most that there can be, 1,000."),
        "skip": parameter("skip", "query", number(), "Items that come before the first, at most 1,000."),
        "count": flag(parameter("count", "query", json!({"type": ["boolean"]}),
            "Answers `{\"count\",\"total\",\"items\"}` instead of the items alone.")),
        "sort": parameter("sort", "query", json!({"type": "string"}),
            "Fields, with commas in between; one that begins with `-` from the last to the first."),
        "ascending": flag(parameter("ascending", "query", json!({"type": ["boolean"]}),
            "All fields of the sort from the first to the last.")),
        "descending": flag(parameter("descending", "query", json!({"type": ["boolean"]}),
            "All fields of the sort from the last to the first.")),
        "Request-Timeout": parameter("Request-Timeout", "header", json!({"type": "string"}),
            "How long it may take: seconds, or a duration such as `250ms`. 408 when it is over."),
    });
    if let Some(parameters) = parameters.as_object_mut() {
        parameters.extend(filters::parameters());
    }
    parameters
}

/// The answers that more than one operation has: what is wrong.
pub(super) fn responses() -> Value {
    let error = |text: &str| {
        let schema = json!({"$ref": "#/components/schemas/Error"});
        json!({"description": text, "content": {"application/json": {"schema": schema}}})
    };
    json!({
        "Refused": error("What was asked cannot be understood, or is not allowed."),
        "NotFound": error("There is no such thing, or no such namespace."),
        "TooLate": error("The time of the request was over."),
        "Exists": error("There is one already."),
        "TooLarge": error("The body is larger than the server takes."),
        "Type": error("The content type is none that is understood."),
        "NotNow": error("The server cannot do it now: it stops, is full, or its disk is."),
    })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// Completes all operations of a path.
pub(super) fn complete(path: &str, item: &mut Value) {
    let Some(item) = item.as_object_mut() else {
        return;
    };
    for (method, operation) in item {
        operation["operationId"] = id(method, path).into();
        add_parameters(path, operation);
        add_responses(operation);
        remove_empty(operation);
    }
}

/// Takes the namespace out of all operations of a path, and out of their links.
pub(super) fn leave_namespace_out(item: &mut Value) {
    let operations = item.as_object_mut().into_iter().flatten();
    for (_, operation) in operations {
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            let namespace = reference("parameters", "ns");
            parameters.retain(|parameter| *parameter != namespace);
        }
        let responses = operation["responses"].as_object_mut();
        for (_, response) in responses.into_iter().flatten() {
            let links = response.get_mut("links").and_then(Value::as_object_mut);
            for (_, link) in links.into_iter().flatten() {
                if let Some(parameters) = link["parameters"].as_object_mut() {
                    parameters.remove("path.ns");
                }
            }
        }
    }
}

/// Unique, and readable: `getSubscriptionsId`.
fn id(method: &str, path: &str) -> String {
    let mut id = method.to_owned();
    let path = path.strip_prefix(super::NAMESPACE).unwrap_or(path);
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    for word in path.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            id.extend(first.to_uppercase());
            id.push_str(letters.as_str());
        }
    }
    id
}

fn add_parameters(path: &str, operation: &mut Value) {
    let in_path = path.split(['{', '}']).skip(1).step_by(2);
    let mut parameters: Vec<Value> = in_path.map(|name| reference("parameters", name)).collect();
    if let Some(given) = operation["parameters"].as_array_mut() {
        let given = std::mem::take(given).into_iter();
        parameters.extend(given.filter(|given| given["in"] != "path").map(flag));
    }
    if let Some(operation) = operation.as_object_mut()
        && let Some(collection) = operation.remove("x-list")
    {
        let collection = collection.as_str().unwrap_or_default();
        let names = LIST.map(str::to_owned).into_iter();
        let names = names.chain(filters::names(collection));
        parameters.extend(names.map(|name| reference("parameters", &name)));
    }
    parameters.push(reference("parameters", "Request-Timeout"));
    operation["parameters"] = parameters.into();
}

/// What is asked with a word of the query is on if it is there without a value, too.
fn flag(mut parameter: Value) -> Value {
    if parameter["in"] == "query" {
        parameter["required"] = false.into();
        if parameter["schema"]["type"][0] == "boolean" {
            parameter["schema"] = json!({"type": "boolean"});
            parameter["allowEmptyValue"] = true.into();
        }
    }
    parameter
}

fn add_responses(operation: &mut Value) {
    let takes_body = operation.get("requestBody").is_some();
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for (status, response) in responses.iter_mut() {
        let said = response["description"].as_str().unwrap_or_default();
        if said.is_empty() {
            let status = status.parse().ok();
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            let reason = status.and_then(|status| status.canonical_reason());
            response["description"] = reason.unwrap_or_default().into();
        }
    }
    for (status, name) in ERRORS {
        responses.insert(status.to_owned(), reference("responses", name));
    }
    if takes_body {
        for (status, name) in BODY_ERRORS {
            responses.insert(status.to_owned(), reference("responses", name));
        }
    }
    responses.sort_keys();
}

/// The macro writes some keys that say nothing.
fn remove_empty(operation: &mut Value) {
    if let Some(operation) = operation.as_object_mut() {
        operation.retain(|_, value| !value.is_null());
    }
}
