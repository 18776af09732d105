//! How are groups shown?

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use photinus_contract::store::Group;
use photinus_engine::lists::GROUPS;

use crate::App;
use crate::errors::{ApiError, nothing_found};
use crate::params::{InNamespace, PathHash};
use crate::query::Query;
use crate::replies::{json_text, list as list_of};

/// The groups of private messages, newest first.
#[utoipa::path(
    get,
    path = "/groups",
    tag = "messages",
    responses((status = 200, body = ref("#/components/schemas/Groups"))),
    extensions(("x-list" = json!("groups"))),
)]
pub(crate) async fn list(
    State(app): State<App>,
    ns: InNamespace,
    query: Query,
) -> Result<Response, ApiError> {
    let asked = query.asks(&GROUPS)?;
    let groups = app.handle.groups(ns.name(), &asked).await?;
    Ok(list_of(groups, |group, out| write(&group, out)))
}

/// A group of private messages.
#[utoipa::path(
    get,
    path = "/groups/{hash}",
    tag = "messages",
    responses((status = 200, body = ref("#/components/schemas/Group"))),
)]
pub(crate) async fn one(
    State(app): State<App>,
    ns: InNamespace,
    PathHash(hash): PathHash,
) -> Result<Response, ApiError> {
    let group = app.handle.group(ns.name(), hash).await?;
    let group = group.ok_or_else(nothing_found)?;
    let mut text = Vec::new();
    write(&group, &mut text);
    Ok(json_text(StatusCode::OK, text))
}

/// Appends a group: what was hashed, and what is known besides.
fn write(group: &Group, out: &mut Vec<u8>) {
    let Group {
        namespace,
        hash,
        definition,
        created,
        ..
    } = group;
    let definition = definition.get().trim_end();
    let open = definition.strip_suffix('}').unwrap_or(definition);
    out.extend_from_slice(open.as_bytes());
    // A namespace is a name, in which nothing has to be escaped.
    let known =
        format!(r#","localNamespace":"{namespace}","hash":"{hash}","created":"{created}"}}"#);
    out.extend_from_slice(known.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use photinus_contract::data::Hash;
    use photinus_contract::{Namespace, Timestamp};
    use serde_json::value::RawValue;

    #[test]
    fn a_group_is_its_definition_and_what_is_known_besides() {
        let definition = r#"{"namespace":"ns","name":"","members":[{"identity":"a","node":"n"}]}"#;
        let hash = Hash([0xab; 32]);
        let group = Group::new(
            Namespace::new("ns"),
            hash,
            RawValue::from_string(definition.to_owned()).unwrap(),
            Timestamp::from_nanos(0),
        );
        let mut text = Vec::new();
        write(&group, &mut text);
        let shown: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let expected = serde_json::json!({
            "namespace": "ns", "name": "", "members": [{"identity": "a", "node": "n"}],
            "localNamespace": "ns", "hash": "ab".repeat(32), "created": "1970-01-01T00:00:00Z",
        });
        assert_eq!(shown, expected);
    }
}
