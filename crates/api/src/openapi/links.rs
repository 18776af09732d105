//! What can be asked about something that was just made?
//!
//! Whoever reads the document learns from it which operations take the id of an answer.

use serde_json::{Map, Value, json};

/// What makes something, what takes its id, and where that stands in the answer.
const MADE: [(&[&str], &str, &str); 3] = [
    (&["/subscriptions"], "/subscriptions/{id}", "/id"),
    (&["/data"], "/data/{id}", "/id"),
    (
        &[
            "/messages/broadcast",
            "/messages/private",
            "/messages/requestreply",
        ],
        "/messages/{id}",
        "/header/id",
    ),
];

/// Adds to every operation that makes something those that take its id.
pub(super) fn add(paths: &mut Map<String, Value>) {
    for (made_at, asked_at, id) in MADE {
        let asked_at = format!("{}{asked_at}", super::NAMESPACE);
        let links: Map<String, Value> = paths
            .iter()
            .filter(|(path, _)| path.starts_with(&asked_at))
            .flat_map(|(_, item)| item.as_object().into_iter().flat_map(Map::values))
            .filter_map(|operation| Some(link(operation["operationId"].as_str()?, id)))
            .collect();
        for (path, item) in paths.iter_mut() {
            let path = path.strip_prefix(super::NAMESPACE).unwrap_or(path);
            let is_made_here = made_at.contains(&path);
            for method in ["post", "put"].into_iter().filter(|_| is_made_here) {
                let operation = item.get_mut(method);
                let responses =
                    operation.and_then(|operation| operation["responses"].as_object_mut());
                for response in responses.into_iter().flat_map(successes) {
                    response["links"] = links.clone().into();
                }
            }
        }
    }
}

fn link(operation: &str, id: &str) -> (String, Value) {
    let id = format!("$response.body#{id}");
    let parameters = json!({"path.id": id, "path.ns": "$request.path.ns"});
    let link = json!({"operationId": operation, "parameters": parameters});
    (operation.to_owned(), link)
}

/// The answers that have a body of JSON.
fn successes(responses: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    let all = responses.iter_mut();
    all.filter(|(status, response)| {
        status.starts_with('2') && !response["content"]["application/json"].is_null()
    })
    .map(|(_, response)| response)
}
