//! What is the group of a private message?

use std::collections::BTreeSet;

use photinus_contract::message::GroupInput;
use photinus_contract::name::check_name;
use photinus_contract::store::Group;
use photinus_contract::{CodedError, Namespace, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use super::json::{escaped, sha256};

/// Most members of a group.
const MEMBERS_MAX: usize = 1_000;

/// The text whose hash is the group's identity.
#[derive(Serialize)]
struct Definition<'a> {
    namespace: &'a Namespace,
    name: &'a str,
    members: Vec<Member<'a>>,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Member<'a> {
    identity: &'a str,
    node: String,
}

/// The group that these members make. Any text is an identity; one that names no node gets a stable id.
pub(super) fn defined(
    namespace: &Namespace,
    input: Option<&GroupInput>,
    now: Timestamp,
) -> Result<Group, CodedError> {
    let empty = GroupInput::default();
    let input = input.unwrap_or(&empty);
    if input.members.is_empty() {
        return Err(CodedError::bad_request(
            "FF00115",
            "Group must have at least one member: give 'group.members', or a known 'header.group'",
        ));
    }
    if input.members.len() > MEMBERS_MAX {
        return Err(CodedError::bad_request(
            "FF00134",
            format!(
                "Field 'group.members' has {} entries; at most {MEMBERS_MAX} are allowed",
                input.members.len()
            ),
        ));
    }
    if !input.name.is_empty() {
        check_name(&input.name, "group.name")?;
    }
    let mut seen = BTreeSet::new();
    let mut members = Vec::with_capacity(input.members.len());
    for (index, member) in input.members.iter().enumerate() {
        if member.identity.is_empty() {
            return Err(CodedError::bad_request(
                "FF10277",
                format!("Field 'group.members[{index}].identity' is empty"),
            ));
        }
        if !seen.insert(&member.identity) {
            return Err(CodedError::bad_request(
                "FF00118",
                format!("Member {index} is a duplicate: '{}'", member.identity),
            ));
        }
        let node = match member.node.as_str() {
            "" => node_of(&member.identity),
            given => given.to_owned(),
        };
        members.push(Member {
            identity: &member.identity,
            node,
        });
    }
    members.sort();
    let definition = Definition {
        namespace,
        name: &input.name,
        members,
    };
    let json = serde_json::to_string(&definition).map_err(super::internal)?;
    let hash = sha256(&escaped(json.as_bytes()));
    let json = RawValue::from_string(json).map_err(super::internal)?;
    Ok(Group::new(namespace.clone(), hash, json, now))
}

/// A node id that always belongs to the same identity.
fn node_of(identity: &str) -> String {
    let hash = sha256(identity.as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.0[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(json: &str) -> Result<Group, CodedError> {
        let input: GroupInput = serde_json::from_str(json).unwrap();
        defined(
            &Namespace::new("default"),
            Some(&input),
            Timestamp::from_nanos(0),
        )
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let one = group(r#"{"members":[{"identity":"b"},{"identity":"a","node":"n"}]}"#).unwrap();
        let two = group(r#"{"members":[{"identity":"a","node":"n"},{"identity":"b"}]}"#).unwrap();
        assert_eq!(one.hash, two.hash);
        assert_ne!(
            one.hash,
            group(r#"{"members":[{"identity":"a"}]}"#).unwrap().hash
        );
        assert!(one.definition.get().starts_with(
            r#"{"namespace":"default","name":"","members":[{"identity":"a","node":"n"},{"identity":"b","node":""#
        ));
    }

    #[test]
    fn wrong_groups_are_refused() {
        for (json, code) in [
            (r#"{}"#, "FF00115"),
            (
                r#"{"members":[{"identity":"a"},{"identity":"a"}]}"#,
                "FF00118",
            ),
            (r#"{"name":"!","members":[{"identity":"a"}]}"#, "FF00140"),
            (r#"{"members":[{}]}"#, "FF10277"),
        ] {
            assert_eq!(group(json).unwrap_err().code(), code, "{json}");
        }
    }
}
