//! Are namespaces and groups kept?

use photinus_contract::Timestamp;
use photinus_contract::store::{CreateNamespaceError, Group, NamespaceInfo, ReadLimit};
use serde_json::value::RawValue;

use super::Rig;
use super::make::*;

/// Namespaces are listed by name, with all that was said about them.
pub async fn namespaces_are_listed_by_name(rig: &mut dyn Rig) {
    let store = &*rig.open();
    assert_eq!(store.namespaces().await, Ok(vec![]));
    for name in ["b", "a", "c"] {
        with_namespace(store, name).await;
    }
    let listed = store.namespaces().await.unwrap();
    assert_eq!(listed, ["a", "b", "c"].map(namespace_info));
}

/// A second one of the same name is refused, and changes nothing.
pub async fn a_namespace_is_created_once(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "a").await;
    fill(store, &ns, 1, 2).await;
    let again = NamespaceInfo::new(ns.clone(), "other", Timestamp::from_nanos(2));
    let refused = store.create_namespace(again).await;
    assert_eq!(refused, Err(CreateNamespaceError::Exists));
    assert_eq!(store.namespaces().await, Ok(vec![namespace_info("a")]));
    assert_eq!(numbers(store, &ns).await, [1, 2]);
}

/// A group that is there is left as it is; it is found in its namespace only, and needs one.
pub async fn groups_stay_as_they_were_first_stored(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    let group = |definition: &str, created| {
        let definition = RawValue::from_string(definition.to_owned()).unwrap();
        Group::new(
            ns.clone(),
            hash(1),
            definition,
            Timestamp::from_nanos(created),
        )
    };
    store
        .put_group(group(r#"{"name":"first"}"#, 5))
        .await
        .unwrap();
    store
        .put_group(group(r#"{"name":"second"}"#, 6))
        .await
        .unwrap();
    let found = store.group(&ns, hash(1)).await.unwrap().unwrap();
    assert_eq!(found.definition.get(), r#"{"name":"first"}"#);
    assert_eq!(found.created, Timestamp::from_nanos(5));
    assert!(store.group(&ns, hash(2)).await.unwrap().is_none());
    assert!(store.group(&other, hash(1)).await.unwrap().is_none());
    let mut lost = group("{}", 7);
    lost.namespace = namespace("nowhere");
    assert!(store.put_group(lost).await.is_err());
}

/// Groups are listed in their namespace, those first used last first, the last of a page leads to the next, and a
/// page stops at each of its limits.
pub async fn groups_are_listed_by_their_first_use(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    for (ns, seed, created) in [(&ns, 1, 5), (&ns, 4, 5), (&ns, 2, 6), (&other, 3, 7)] {
        let definition = RawValue::from_string(format!(r#"{{"name":"g{seed}"}}"#)).unwrap();
        let created = Timestamp::from_nanos(created);
        let group = Group::new(ns.clone(), hash(seed), definition, created);
        store.put_group(group).await.unwrap();
    }
    let listed = async |before: Option<(i64, usize)>, limit| {
        let before = before.map(|(time, seed)| (Timestamp::from_nanos(time), hash(seed)));
        let groups = store.groups(&ns, before, limit).await.unwrap();
        let names = groups.iter().map(|group| group.definition.get().to_owned());
        names.collect::<Vec<_>>()
    };
    let all = [r#"{"name":"g2"}"#, r#"{"name":"g4"}"#, r#"{"name":"g1"}"#];
    let few = |records, bytes| ReadLimit { records, bytes };
    let bytes = all[0].len();
    assert_eq!(listed(None, ALL).await, all);
    assert_eq!(listed(None, few(2, usize::MAX)).await, all[..2]);
    assert_eq!(listed(None, few(9, bytes * 2)).await, all[..2]);
    assert_eq!(listed(None, few(9, bytes * 2 - 1)).await, all[..1]);
    assert_eq!(listed(None, few(0, 0)).await, all[..1]);
    assert_eq!(listed(Some((6, 2)), ALL).await, all[1..]);
    assert_eq!(listed(Some((5, 4)), ALL).await, all[2..]);
    assert!(listed(Some((5, 1)), ALL).await.is_empty());
    let nowhere = store.groups(&namespace("nowhere"), None, ALL).await;
    assert!(nowhere.unwrap().is_empty());
}
