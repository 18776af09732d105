//! Is data kept that no message brought?

use photinus_contract::Data;
use photinus_contract::data::DatatypeRef;
use photinus_contract::store::ReadLimit;

use super::Rig;
use super::make::*;

/// Stored data comes back with all that was said about it, the text of its value included, and only in its namespace.
pub async fn data_comes_back_as_it_was(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    for (number, json) in [
        (1, r#"{"b":1.0,"a":[1E+05,-0],"b":"\u003c \/ \ud800"}"#),
        (2, "null"),
        (3, "12345678901234567890123"),
        (4, &large_value(1)),
    ] {
        let mut data = data(&ns, number, json);
        if number == 1 {
            data.datatype = Some(DatatypeRef {
                name: "widget".to_owned(),
                version: "1.0".to_owned(),
            });
        }
        store.put_data(data.clone()).await.unwrap();
        let found = store.value(&ns, data.id).await.unwrap().unwrap();
        assert_eq!(text(&found), text(&data));
        assert!(store.value(&other, data.id).await.unwrap().is_none());
    }
    assert!(store.value(&ns, data_id(5)).await.unwrap().is_none());
}

/// The newest comes first, the last id of a page leads to the next, and a page stops at each of its limits.
pub async fn data_is_listed_newest_first_in_pages(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    for number in [2, 5, 1, 4] {
        store.put_data(data(&ns, number, "1")).await.unwrap();
    }
    store.put_data(data(&other, 3, "1")).await.unwrap();
    let listed = async |before: Option<u64>, limit| {
        let before = before.map(data_id);
        let listed = store.stored_data(&ns, before, limit).await.unwrap();
        listed.iter().map(|data| data.id).collect::<Vec<_>>()
    };
    let few = |records, bytes| ReadLimit { records, bytes };
    assert_eq!(listed(None, ALL).await, [5, 4, 2, 1].map(data_id));
    assert_eq!(listed(None, few(2, 9)).await, [5, 4].map(data_id));
    assert_eq!(listed(None, few(9, 2)).await, [5, 4].map(data_id));
    assert_eq!(listed(Some(4), few(1, 9)).await, [2].map(data_id));
    assert_eq!(listed(Some(4), few(0, 0)).await, [2].map(data_id));
    assert_eq!(listed(Some(3), ALL).await, [2, 1].map(data_id));
    assert!(listed(Some(1), ALL).await.is_empty());
    let nowhere = store.stored_data(&namespace("nowhere"), None, ALL).await;
    assert!(nowhere.unwrap().is_empty());
}

/// An id that is taken, in whatever namespace, one that is a value's of the log, and a namespace that does not exist
/// are refused, and change nothing.
pub async fn an_id_of_data_is_taken_once(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    store.put_data(data(&ns, 1, "1")).await.unwrap();
    let mut in_the_log = data(&ns, 2, "2");
    in_the_log.id = message(2).value(0);
    for refused in [
        data(&ns, 1, "2"),
        data(&other, 1, "2"),
        in_the_log,
        data(&namespace("nowhere"), 3, "2"),
    ] {
        assert!(
            store.put_data(refused.clone()).await.is_err(),
            "{refused:?}"
        );
    }
    let found = store.value(&ns, data_id(1)).await.unwrap().unwrap();
    assert_eq!(found.value.get(), "1");
    assert_eq!(store.stored_data(&ns, None, ALL).await.unwrap().len(), 1);
    assert!(
        store
            .stored_data(&other, None, ALL)
            .await
            .unwrap()
            .is_empty()
    );
}

/// Deleted data is gone for every read; what has another id or is elsewhere stays, and so do values of the log.
pub async fn deleted_data_is_gone(rig: &mut dyn Rig) {
    let store = &*rig.open();
    let ns = with_namespace(store, "ns").await;
    let other = with_namespace(store, "other").await;
    let published = record(&ns, 9, &["t"], &["1"]);
    append_one(store, published).await.unwrap();
    for number in [1, 2] {
        store.put_data(data(&ns, number, "1")).await.unwrap();
    }
    assert_eq!(store.delete_data(&other, data_id(1)).await, Ok(false));
    assert_eq!(store.delete_data(&ns, data_id(3)).await, Ok(false));
    assert_eq!(store.delete_data(&ns, message(9).value(0)).await, Ok(false));
    assert_eq!(store.delete_data(&ns, data_id(1)).await, Ok(true));
    assert_eq!(store.delete_data(&ns, data_id(1)).await, Ok(false));
    assert!(store.value(&ns, data_id(1)).await.unwrap().is_none());
    let left = store.stored_data(&ns, None, ALL).await.unwrap();
    assert_eq!(
        left.iter().map(|data| data.id).collect::<Vec<_>>(),
        [data_id(2)]
    );
    let value = store.value(&ns, message(9).value(0)).await.unwrap();
    assert!(value.is_some());
}

fn text(data: &Data) -> String {
    serde_json::to_string(data).unwrap()
}
