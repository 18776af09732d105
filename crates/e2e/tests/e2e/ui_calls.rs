//! Does everything answer that FireFly's UI and its Sandbox ask for when a page is opened?

use photinus_e2e::Server;
use serde_json::{Value, json};

const NS: &str = "/api/v1/namespaces/default";
/// What the pages filter and count by.
const SINCE: &str = "created=%3E%3D1700000000";

#[test]
fn every_call_of_the_ui_answers() {
    let server = Server::start();
    let rest = server.rest();
    rest.subscribe("mine", json!({}), json!({}));
    rest.broadcast("t", "tag");
    let namespaces = rest.get("/api/v1/namespaces").expect(200);
    assert_eq!(namespaces[0]["name"], "default");
    let status = rest.get("/api/v1/status").expect(200);
    assert_eq!(status["namespace"]["name"], "default");

    let ok = |path: String| -> Value {
        let reply = rest.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    };
    let counted = |path: String, at_least: u64| {
        let page = ok(path.clone());
        assert!(page["items"].is_array(), "{path}: {page}");
        assert!(
            page["total"].as_u64().unwrap() >= at_least,
            "{path}: {page}"
        );
        assert_eq!(
            page["count"],
            page["items"].as_array().unwrap().len(),
            "{path}"
        );
        page
    };

    // Activity and timeline.
    let events = counted(
        format!("{NS}/events?limit=10&fetchreferences&count&skip=0&{SINCE}"),
        1,
    );
    let event = &events["items"][0];
    assert_eq!(event["message"]["header"]["tag"], "tag");
    let (id, message) = (
        event["id"].as_str().unwrap(),
        event["reference"].as_str().unwrap(),
    );
    ok(format!("{NS}/events/{id}"));
    assert_eq!(
        ok(format!("{NS}/events?id={id}")).as_array().unwrap().len(),
        1
    );
    assert_eq!(
        ok(format!(
            "{NS}/events?reference={message}&fetchreferences=true&limit=1"
        ))[0]["id"],
        id
    );
    ok(format!("{NS}/messages/{message}/data?limit=25"));
    assert_eq!(ok(format!("{NS}/transactions?id={id}")), json!([]));
    counted(
        format!("{NS}/events?count&limit=10&skip=0&type=!%3A%5Emessage"),
        0,
    );

    // The charts.
    for collection in [
        "events",
        "messages",
        "transactions",
        "operations",
        "tokentransfers",
        "blockchainevents",
    ] {
        let path = format!(
            "{NS}/charts/histogram/{collection}?startTime=1700000000&endTime=4000000000&buckets=15"
        );
        let buckets = ok(path);
        assert!(
            (15..=16).contains(&buckets.as_array().unwrap().len()),
            "{buckets}"
        );
        assert!(buckets[0]["count"].is_string(), "{buckets}");
        assert!(buckets[0]["types"].is_array(), "{buckets}");
    }

    // The cards of the home page: one that does not answer breaks all.
    for (list, at_least) in [
        ("transactions", 0),
        ("blockchainevents", 0),
        ("messages", 1),
        ("tokens/transfers", 0),
        ("operations", 0),
    ] {
        counted(format!("{NS}/{list}?count=true&limit=1&{SINCE}"), at_least);
    }
    counted(
        format!("{NS}/operations?count=true&limit=1&status=Failed&{SINCE}"),
        0,
    );
    ok(format!(
        "{NS}/events?limit=25&{SINCE}&type=transaction_submitted&fetchreferences=true"
    ));

    // My node, and the other pages.
    let mine = counted(
        format!("{NS}/subscriptions?limit=10&count&skip=0&sort=created"),
        1,
    );
    let mine = mine["items"][0]["id"].as_str().unwrap();
    assert!(ok(format!("{NS}/subscriptions/{mine}?fetchstatus"))["status"].is_object());
    assert!(ok("/api/v1//websockets".to_owned())["connections"].is_array());
    for list in [
        "data",
        "datatypes",
        "groups",
        "batches",
        "identities",
        "network/organizations",
        "network/nodes",
        "verifiers",
        "tokens/pools",
        "tokens/accounts",
        "tokens/approvals",
        "tokens/balances",
        "contracts/interfaces",
        "contracts/listeners",
        "apis",
        "pins",
    ] {
        counted(format!("{NS}/{list}?count&limit=10&skip=0"), 0);
    }
    ok(format!("{NS}/data?blob.hash=%3D%3F&limit=1"));
    counted(format!("{NS}/data?count&blob.hash=!%3F"), 0);

    // The Sandbox.
    ok(format!("{NS}/verifiers"));
    assert!(
        !ok(format!("{NS}/network/organizations"))
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(ok(format!("{NS}/batches?tx.id={id}")), json!([]));
}
