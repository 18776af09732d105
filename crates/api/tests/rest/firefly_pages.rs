//! Are all calls answered that FireFly's UI, Sandbox and SDK make, also about what is never here?

use serde_json::{Value, json};

use crate::api::Api;

const V1: &str = "/api/v1";
const BROADCAST: &str = "/api/v1/messages/broadcast";

#[tokio::test]
async fn lists_of_what_is_never_here_are_empty() {
    let api = Api::new().await;
    let id = "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01";
    for path in [
        "transactions",
        &format!("transactions/{id}/operations"),
        &format!("transactions/{id}/blockchainevents"),
        "operations",
        "batches",
        "blockchainevents",
        "pins",
        "nextpins",
        "verifiers",
        &format!("identities/{id}/verifiers"),
        "tokens/accounts",
        "tokens/accounts/0xabc/pools",
        "tokens/approvals",
        "tokens/balances",
        "tokens/connectors",
        "tokens/pools",
        "tokens/transfers",
        "contracts/interfaces",
        "contracts/listeners",
        "apis",
        "namespaces/default/operations",
        "namespaces/default//tokens/transfers",
        "namespaces/ff_system/verifiers",
    ] {
        let path = format!("{V1}/{path}");
        assert_eq!(api.get(&path).await.json(200), json!([]), "{path}");
        let counted = api.get(&format!("{path}?count=true&limit=1&x=y")).await;
        let nothing = json!({"count": 0, "total": 0, "items": []});
        assert_eq!(counted.json(200), nothing, "{path}");
        api.get(&format!("{path}?limit=1001"))
            .await
            .is_error(400, "FF00192: ");
        let posted = api.post(&path, json!({})).await;
        match posted.status {
            405 => {}
            _ => posted.is_error(400, "FF10414: "),
        }
    }
    for path in ["operations", "transactions?type=x"] {
        let path = format!("{V1}/namespaces/other/{path}");
        api.get(&path).await.is_error(404, "FF10436: ");
    }
}

#[tokio::test]
async fn they_take_the_queries_that_the_ui_sends() {
    let api = Api::new().await;
    for query in [
        "transactions?count=true&limit=1&created=%3E=1690000000",
        "transactions?id=0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01",
        "operations?count=true&limit=1&status=Failed&created=%3E=1690000000",
        "operations?error=!&type=token_transfer&type=token_mint&sort=created",
        "blockchainevents?count=true&limit=1&timestamp=%3E=1690000000",
        "tokens/transfers?count=true&limit=1&type=mint&created=%3E=1690000000",
        "batches?tx.id=0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01",
        "transactions?blockchainids=!",
        "pins?dispatched=true&sequence=%3C9",
    ] {
        api.get(&format!("{V1}/{query}")).await.json(200);
    }
    for (query, code) in [
        ("transactions?created=x", "FF00143"),
        ("operations?updated=@1", "FF00145"),
        ("pins?index=a", "FF00143"),
        ("pins?masked=^t", "FF00145"),
        ("batches?hash=?@", "FF00144"),
        ("verifiers?created=", "FF00143"),
        ("blockchainevents?timestamp=!%3E1", "FF00193"),
        ("transactions/x/operations", "FF00138"),
    ] {
        api.get(&format!("{V1}/{query}")).await.is_error(400, code);
    }
}

#[tokio::test]
async fn what_is_never_here_is_not_found() {
    let api = Api::new().await;
    let id = "0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01";
    for (path, code) in [
        (format!("transactions/{id}"), "FF00164"),
        (format!("transactions/{id}/status"), "FF10109"),
        (format!("operations/{id}"), "FF00164"),
        (format!("batches/{id}"), "FF00164"),
        (format!("blockchainevents/{id}"), "FF00164"),
        (format!("verifiers/{}", "ab".repeat(32)), "FF10109"),
        (format!("tokens/transfers/{id}"), "FF00164"),
        ("tokens/pools/gold".to_owned(), "FF10109"),
        (format!("contracts/interfaces/{id}"), "FF00164"),
        ("contracts/listeners/mine".to_owned(), "FF10109"),
        ("apis/mine".to_owned(), "FF10109"),
    ] {
        api.get(&format!("{V1}/{path}")).await.is_error(404, code);
    }
    api.get(&format!("{V1}/operations/x"))
        .await
        .is_error(400, "FF00138");
    api.get(&format!("{V1}/verifiers/x"))
        .await
        .is_error(400, "FF00107");

    let message = api.post(BROADCAST, json!({})).await.json(202);
    let known = message["header"]["id"].as_str().unwrap();
    for (message, code) in [(known, "FF10210"), (id, "FF10109")] {
        let path = format!("{V1}/messages/{message}/transaction");
        api.get(&path).await.is_error(404, code);
    }
}

#[tokio::test]
async fn an_organisation_and_a_node_stand_for_this_server() {
    let api = Api::new().await;
    let get = async |path: &str| api.get(&format!("{V1}/{path}")).await.json(200);
    let status = get("status").await;
    let organizations = get("network/organizations").await;
    let org = &organizations.as_array().unwrap()[0];
    assert_eq!(
        (&org["id"], &org["did"]),
        (&status["org"]["id"], &status["org"]["did"])
    );
    assert_eq!(
        (&org["type"], &org["namespace"]),
        (&json!("org"), &json!("default"))
    );
    assert_eq!(
        org["messages"],
        json!({"claim": null, "verification": null, "update": null})
    );
    assert_eq!(org["parent"], Value::Null);
    let nodes = get("network/nodes").await;
    let node = &nodes.as_array().unwrap()[0];
    assert_eq!(
        (&node["id"], &node["parent"]),
        (&status["node"]["id"], &org["id"])
    );

    let both = json!([node, org]);
    assert_eq!(get("identities").await, both);
    assert_eq!(get("network/identities").await, both);
    assert_eq!(
        get("namespaces/default//network/organizations").await,
        organizations
    );
    for (query, expected) in [
        ("type=org", json!([org])),
        ("name=photinus&sort=type", both.clone()),
        ("did=$node/photinus", json!([node])),
        ("parent=?", json!([org])),
        (
            "messages.claim=?&description=&profile=?&limit=1",
            json!([node]),
        ),
        ("created=%3C1690000000", json!([])),
    ] {
        assert_eq!(
            get(&format!("identities?{query}")).await,
            expected,
            "{query}"
        );
    }
    let counted = get("network/nodes?count").await;
    assert_eq!(counted, json!({"count": 1, "total": 1, "items": nodes}));

    let id = |of: &Value, key: &str| of[key].as_str().unwrap().to_owned();
    for (path, expected) in [
        ("network/organizations/photinus".to_owned(), org),
        (format!("network/organizations/{}", id(org, "id")), org),
        ("network/nodes/photinus".to_owned(), node),
        (format!("network/nodes/{}", id(node, "id")), node),
        (format!("network/identities/{}", id(org, "did")), org),
        (
            format!("network/identities/{}", id(node, "did").replace('/', "%2F")),
            node,
        ),
        (format!("identities/{}", id(node, "id")), node),
    ] {
        assert_eq!(&get(&path).await, expected, "{path}");
        let with_verifiers = get(&format!("{path}?fetchverifiers")).await;
        assert_eq!(with_verifiers["verifiers"], json!([]), "{path}");
    }
    for path in [
        "network/organizations/other".to_owned(),
        format!("network/organizations/{}", id(node, "id")),
        format!("network/organizations/{}", id(org, "did")),
        "network/nodes/other".to_owned(),
        "network/identities/did:firefly:org/other".to_owned(),
        "identities/0d4e4d6e-5f3b-4d0a-8a8a-6f4f5b0f7b01".to_owned(),
    ] {
        api.get(&format!("{V1}/{path}"))
            .await
            .is_error(404, "FF10109");
    }

    let registered = json!({"status": "registered"});
    let multiparty = json!({"enabled": true, "org": registered, "node": registered});
    assert_eq!(get("status/multiparty").await, multiparty);
    assert_eq!(get("status/batchmanager").await, json!({"processors": []}));
}

#[tokio::test]
async fn a_histogram_counts_what_came_in_when() {
    let api = Api::new().await;
    let mut made = Vec::new();
    for number in 0..6 {
        let topics = if number == 0 {
            json!(["a", "b"])
        } else {
            json!(["a"])
        };
        let private =
            json!({"header": {"topics": topics}, "group": {"members": [{"identity": "o"}]}});
        let (path, body) = match number {
            5 => ("messages/private", private),
            _ => ("messages/broadcast", json!({"header": {"topics": topics}})),
        };
        let sent = api.post(&format!("{V1}/{path}?confirm"), body).await;
        let confirmed = sent.json(200)["confirmed"].as_str().unwrap().to_owned();
        made.push(
            confirmed
                .parse::<photinus_contract::Timestamp>()
                .unwrap()
                .as_nanos(),
        );
    }
    let chart = async |collection: &str, from: i64, to: i64, buckets: usize| {
        let query = format!("startTime={from}&endTime={to}&buckets={buckets}");
        let path = format!("{V1}/charts/histogram/{collection}?{query}");
        api.get(&path).await.json(200)
    };
    let (first, last) = (made[0], made[5]);
    let all = chart("events", first, last + 1, 1).await;
    let start = photinus_contract::Timestamp::from_nanos(first).to_string();
    assert_eq!(
        all,
        json!([{
            "count": "7",
            "timestamp": start,
            "types": [{"count": "7", "type": "message_confirmed"}],
            "isCapped": false,
        }])
    );
    let all = chart("messages", first, last + 1, 1).await;
    let types = json!([{"count": "1", "type": "private"}, {"count": "5", "type": "broadcast"}]);
    assert_eq!((&all[0]["count"], &all[0]["types"]), (&json!("6"), &types));
    // Half-open: what came in at the end is not in it.
    let most = chart("messages", first, last, 1).await;
    let at_the_end = made.iter().filter(|time| **time == last).count();
    assert_eq!(most[0]["count"], (6 - at_the_end).to_string());

    let many = chart("events", first - 50, last + 50, 10).await;
    let bars = many.as_array().unwrap();
    let counts = bars.iter().map(|bar| bar["count"].as_str().unwrap());
    assert_eq!(
        counts
            .map(|count| count.parse::<u32>().unwrap())
            .sum::<u32>(),
        7
    );
    assert_eq!(chart("events", 1000, 1000, 10).await, json!([]));
    let before = chart("events", 1_600_000_000, 1_600_000_060, 60).await;
    assert_eq!(before.as_array().unwrap().len(), 60);
    let nothing =
        json!({"count": "0", "timestamp": "2020-09-13T12:26:40Z", "types": [], "isCapped": false});
    assert_eq!(before[0], nothing);
    for collection in [
        "transactions",
        "operations",
        "tokentransfers",
        "blockchainevents",
    ] {
        let none = chart(collection, 1_600_000_000, 1_600_000_060, 1).await;
        assert_eq!(none, json!([nothing]), "{collection}");
    }

    for _ in 0..100 {
        api.post(BROADCAST, json!({})).await.json(202);
    }
    let capped = chart("events", first, 4_102_444_800_000_000_000, 1).await;
    assert_eq!(
        (&capped[0]["count"], &capped[0]["isCapped"]),
        (&json!("100"), &json!(true))
    );

    for (query, code) in [
        ("events", "FF10299"),
        ("events?startTime=2&endTime=1&buckets=x", "FF10299"),
        ("events?startTime=2&endTime=1&buckets=0", "FF10298"),
        ("other?startTime=2&endTime=1&buckets=1", "FF10300"),
        ("other?startTime=1&endTime=2&buckets=1", "FF10301"),
    ] {
        let path = format!("{V1}/charts/histogram/{query}");
        api.get(&path).await.is_error(400, code);
    }
}

#[tokio::test]
async fn everything_is_answered_that_the_ui_asks_for_when_it_is_opened() {
    let api = Api::new().await;
    let body = json!({"data": [{"value": 1}]});
    let sent = api
        .post(&format!("{BROADCAST}?confirm"), body)
        .await
        .json(200);
    let message = sent["header"]["id"].as_str().unwrap();
    let events = api.get(&format!("{V1}/events")).await.json(200);
    let event = events[0]["id"].as_str().unwrap();
    let body = json!({"name": "app", "transport": "scripted"});
    let made = api
        .post(&format!("{V1}/subscriptions"), body)
        .await
        .json(201);
    let subscription = made["id"].as_str().unwrap();
    let times = "startTime=1690000000&endTime=1690086400";
    let since = "created=%3E=1690000000";
    let ns = "namespaces/default";
    for path in [
        "namespaces".to_owned(),
        "status".to_owned(),
        format!("{ns}/events?limit=25&fetchreferences&count&skip=0&{since}&type=!:x"),
        format!("{ns}/charts/histogram/events?{times}&buckets=15"),
        format!("{ns}/charts/histogram/messages?{times}&buckets=60"),
        format!("{ns}/events/{event}"),
        format!("{ns}/events?reference={message}&fetchreferences=true&limit=1"),
        format!("{ns}/messages/{message}/data?limit=25"),
        format!("{ns}/events?count&limit=25&skip=25&{since}&fetchreferences"),
        format!("{ns}/events?id={event}"),
        format!("{ns}/transactions?id={event}"),
        format!("{ns}/subscriptions?limit=10&count&skip=0&sort=created"),
        format!("{ns}/subscriptions/{subscription}?fetchstatus"),
        format!("{ns}/status"),
        format!("{ns}/events?limit=25&{since}&type=transaction_submitted&fetchreferences=true"),
        format!("{ns}/transactions?count=true&limit=1&{since}"),
        format!("{ns}/blockchainevents?count=true&limit=1&timestamp=%3E=1690000000"),
        format!("{ns}/messages?count=true&limit=1&{since}"),
        format!("{ns}/messages?count=true&limit=1&{since}&type=broadcast"),
        format!("{ns}/tokens/transfers?count=true&limit=1&{since}&type=mint"),
        format!("{ns}/operations?count=true&limit=1&{since}&status=Pending&error=!"),
        format!("{ns}//network/organizations"),
        format!("{ns}//network/nodes"),
        format!("{ns}/data?limit=25&count&skip=0&blob.hash=!?"),
        format!("{ns}/groups?limit=25&count&skip=0"),
        format!("{ns}/verifiers"),
        format!("{ns}/batches?tx.id={event}"),
    ] {
        let answer = api.get(&format!("{V1}/{path}")).await.json(200);
        if path.contains("count") {
            assert!(answer["items"].is_array(), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_datatype_is_an_event_and_no_message() {
    let api = Api::new().await;
    let datatype = json!({"name": "d", "version": "1", "value": {"type": "object"}});
    let made = api.post(&format!("{V1}/datatypes?confirm"), datatype).await;
    assert!(made.status < 300, "{}", made.text);
    for (collection, count) in [("events", "1"), ("messages", "0")] {
        let query = "startTime=1690000000&endTime=4102444800&buckets=1";
        let path = format!("{V1}/charts/histogram/{collection}?{query}");
        let chart = api.get(&path).await.json(200);
        assert_eq!(chart[0]["count"], count, "{collection}");
        let counted = api.get(&format!("{V1}/{collection}?count")).await.json(200);
        assert_eq!(counted["total"].to_string(), count, "{collection}");
    }
    let events = api.get(&format!("{V1}/events")).await.json(200);
    let reference = events[0]["reference"].as_str().unwrap();
    let path = format!("{V1}/events?reference={reference}&type=datatype_confirmed");
    assert_eq!(api.get(&path).await.json(200), events);
}
