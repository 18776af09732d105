//! Do lists show what their query asks for?

use axum::body::Body;
use http::Request;
use photinus_contract::scripted::Scripted;
use serde_json::{Value, json};

use crate::api::Api;

const BROADCAST: &str = "/api/v1/messages/broadcast";

/// Six messages with tags `t1` to `t6`, the even ones with an author, a key and a correlator; `t3` has two topics.
async fn filled() -> (Api, Vec<Value>) {
    let api = Api::new().await;
    let mut messages: Vec<Value> = Vec::new();
    for number in 1..=6 {
        let mut header = json!({
            "tag": format!("t{number}"),
            "topics": if number == 3 { json!(["Orders", "stock"]) } else { json!(["orders"]) },
            "created": format!("2026-01-0{number}T00:00:00Z"),
        });
        let mut body = json!({"data": [{"value": number}]});
        if number % 2 == 0 {
            header["author"] = json!("did:firefly:org/o");
            header["cid"] = messages[0]["header"]["id"].clone();
            body["idempotencyKey"] = json!(format!("k{number}"));
        }
        body["header"] = header;
        let path = format!("{BROADCAST}?confirm");
        messages.push(api.post(&path, body).await.json(200));
    }
    (api, messages)
}

async fn list(api: &Api, query: &str) -> Value {
    // What a browser escapes.
    let query = query
        .replace('<', "%3C")
        .replace('>', "%3E")
        .replace('"', "%22");
    api.get(&format!("/api/v1/{query}")).await.json(200)
}

fn tags(list: &Value) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    let tag = |item: &Value| match item["header"].is_null() {
        true => item["message"]["header"]["tag"].clone(),
        false => item["header"]["tag"].clone(),
    };
    items
        .map(|item| tag(item).as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn messages_are_filtered_by_every_field() {
    let (api, messages) = filled().await;
    let of = |number: usize, path: &str| {
        let value = messages[number - 1].pointer(path).unwrap();
        value.as_str().unwrap().to_owned()
    };
    let all = "t6 t5 t4 t3 t2 t1";
    let id = of(2, "/header/id");
    let (hash, datahash) = (of(4, "/hash"), of(5, "/header/datahash"));
    let confirmed = of(4, "/confirmed");
    for (query, expected) in [
        (format!("id={id}"), "t2"),
        (format!("id={id}&id=^{}", &id[..8]), all),
        (format!("id=!{id}"), "t6 t5 t4 t3 t1"),
        ("id=no-id".to_owned(), ""),
        (format!("cid={}", of(1, "/header/id")), "t6 t4 t2"),
        ("cid=?".to_owned(), "t5 t3 t1"),
        ("cid=!?".to_owned(), "t6 t4 t2"),
        ("type=broadcast".to_owned(), all),
        ("type=private".to_owned(), ""),
        ("author=@firefly".to_owned(), "t6 t4 t2"),
        ("author=".to_owned(), "t5 t3 t1"),
        ("author=!".to_owned(), "t6 t4 t2"),
        ("key=".to_owned(), all),
        ("topics=orders".to_owned(), "t6 t5 t4 t2 t1"),
        ("topics=@orders".to_owned(), "t6 t5 t4 t2 t1"),
        ("topics=:@orders".to_owned(), all),
        ("topics=Orders,stock".to_owned(), "t3"),
        ("topics=stock".to_owned(), ""),
        ("tag=t2&tag=t4".to_owned(), "t4 t2"),
        ("tag=:T2".to_owned(), "t2"),
        ("Tag=!t2&TAG=[!t4".to_owned(), "t6 t5 t3 t1"),
        ("tag=>=t5".to_owned(), "t6 t5"),
        ("group=?".to_owned(), all),
        ("created=>2026-01-04T00:00:00Z".to_owned(), "t6 t5"),
        (
            "created=[>=2026-01-02T00:00:00Z&created=[<1767484800".to_owned(),
            "t3 t2",
        ),
        (format!("datahash={datahash}"), "t5"),
        (format!("hash={hash}"), "t4"),
        (format!("hash={}", hash.to_uppercase()), ""),
        ("idempotencykey=k4".to_owned(), "t4"),
        ("idempotencyKey=!k4".to_owned(), "t6 t2"),
        ("idempotencykey=?".to_owned(), "t5 t3 t1"),
        ("state=confirmed".to_owned(), all),
        ("state=!confirmed".to_owned(), ""),
        (format!("confirmed={confirmed}&tag=t4"), "t4"),
        (format!("confirmed=<{confirmed}&tag=>t3"), ""),
        ("rejectreason=".to_owned(), all),
        ("pins=".to_owned(), all),
        ("sequence=<=2".to_owned(), "t2 t1"),
        ("sequence=>4".to_owned(), "t6 t5 t4"),
        ("txtype=batch_pin".to_owned(), all),
        ("batch=?&txid=?".to_owned(), all),
        ("txid=!x".to_owned(), ""),
        ("txparent.id=?&txparent.type=".to_owned(), all),
        ("namespace=x&unknown=y".to_owned(), all),
    ] {
        let shown = list(&api, &format!("messages?{query}")).await;
        assert_eq!(tags(&shown).join(" "), expected, "{query}");
        let counted = list(&api, &format!("messages?{query}&count&limit=1&fetchdata")).await;
        let total = expected.split_whitespace().count();
        assert_eq!(counted["total"], total, "{query}");
        assert_eq!(counted["count"], total.min(1), "{query}");
    }
}

#[tokio::test]
async fn events_are_filtered_by_every_field() {
    let (api, messages) = filled().await;
    let first = api.get("/api/v1/events?sequence=1").await.json(200);
    let event = &first.as_array().unwrap()[0];
    let (id, created) = (
        event["id"].as_str().unwrap(),
        event["created"].as_str().unwrap(),
    );
    let message = |number: usize| messages[number - 1]["header"]["id"].as_str().unwrap();
    for (query, expected) in [
        (String::new(), "t6 t5 t4 t3 t3 t2 t1"),
        (format!("id={id}"), "t1"),
        (format!("id={}", message(1)), ""),
        ("type=message_confirmed&limit=3".to_owned(), "t6 t5 t4"),
        ("type=!message_confirmed".to_owned(), ""),
        ("type=transaction_submitted".to_owned(), ""),
        (format!("reference={}", message(3)), "t3 t3"),
        (format!("reference={}&topic=stock", message(3)), "t3"),
        (
            format!("reference={0}&reference={1}", message(3), message(5)),
            "t5 t3 t3",
        ),
        (format!("reference=!{}&limit=4", message(3)), "t6 t5 t4 t2"),
        (format!("correlator={}", message(1)), "t6 t4 t2"),
        ("correlator=?".to_owned(), "t5 t3 t3 t1"),
        ("tx=?&limit=1".to_owned(), "t6"),
        ("tx=!?".to_owned(), ""),
        ("topic=^o&limit=2&skip=2".to_owned(), "t4 t2"),
        ("topic=:orders&sort=sequence&limit=3".to_owned(), "t1 t2 t3"),
        ("sort=topic,-sequence&limit=3".to_owned(), "t3 t6 t5"),
        (
            "sort=topic,-sequence&limit=3&ascending".to_owned(),
            "t3 t1 t2",
        ),
        ("ascending&limit=1".to_owned(), "t6"),
        ("sequence=[>=2&sequence=[<4".to_owned(), "t3 t2"),
        ("sequence=2&sequence=7".to_owned(), "t6 t2"),
        (format!("created=<={created}&sequence=<2"), "t1"),
        (format!("created=<{created}"), ""),
        ("created=>=1690000000&limit=1".to_owned(), "t6"),
        ("created=>=4102444800".to_owned(), ""),
    ] {
        let shown = list(&api, &format!("events?fetchreferences&{query}")).await;
        assert_eq!(tags(&shown).join(" "), expected, "{query}");
    }
    let path = format!("/api/v1/messages/{}/events", message(3));
    let of_message = api.get(&format!("{path}?topic=stock&count")).await;
    let of_message = of_message.json(200);
    assert_eq!(
        (&of_message["count"], &of_message["total"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(of_message["items"][0]["topic"], "stock");
    let sorted = api
        .get(&format!("{path}?sort=sequence&limit=1"))
        .await
        .json(200);
    assert_eq!(sorted[0]["topic"], "Orders");
}

#[tokio::test]
async fn subscriptions_are_filtered_by_every_field() {
    let api = Api::new().await;
    let mut ids = Vec::new();
    for (name, events) in [("a", "message_confirmed"), ("b", ""), ("c", "^m")] {
        let body = json!({
            "name": name,
            "transport": "scripted",
            "filter": {"events": events},
            "options": {"readAhead": ids.len()},
        });
        let made = api.post("/api/v1/subscriptions", body).await.json(201);
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    for (query, expected) in [
        (String::new(), "c b a"),
        (format!("id={}", ids[1]), "b"),
        ("name=a&name=c".to_owned(), "c a"),
        ("transport=scripted&limit=2".to_owned(), "c b"),
        ("transport=websockets".to_owned(), ""),
        ("events=^m&sort=name".to_owned(), "a"),
        ("events=".to_owned(), "b"),
        (r#"filters=@"events":"^m""#.to_owned(), "c"),
        (r#"options=@"readAhead":1"#.to_owned(), "b"),
        ("created=>=1690000000&sort=created".to_owned(), "a b c"),
        ("created=<1690000000".to_owned(), ""),
    ] {
        let shown = list(&api, &format!("subscriptions?{query}")).await;
        let items = shown.as_array().unwrap().iter();
        let names: Vec<_> = items.map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(names.join(" "), expected, "{query}");
    }
    let counted = api.get("/api/v1/subscriptions?limit=2&skip=2&count").await;
    let counted = counted.json(200);
    assert_eq!(
        (&counted["count"], &counted["total"]),
        (&json!(1), &json!(3))
    );
}

#[tokio::test]
async fn a_query_that_cannot_be_understood_is_refused() {
    let api = Api::new().await;
    let message = api.post(BROADCAST, json!({})).await.json(202);
    let events = format!(
        "messages/{}/events",
        message["header"]["id"].as_str().unwrap()
    );
    for (path, code) in [
        ("events?sequence=x", "FF00143"),
        ("events?created=", "FF00143"),
        ("events?sequence=@1", "FF00145"),
        ("events?topic=?@", "FF00144"),
        ("events?topic=!:?", "FF00144"),
        ("events?created=!:1", "FF00145"),
        ("events?topic=!%3Ea", "FF00193"),
        ("events?topic=%zz", "PH00400"),
        ("events?topic=%ff", "PH00400"),
        ("messages?fetchdata&%", "PH00400"),
        ("messages?confirmed=:1", "FF00145"),
        ("subscriptions?created=soon", "FF00143"),
        ("subscriptions?limit=1001", "FF00192"),
        (&format!("{events}?skip=1001"), "FF00191"),
        (&format!("{events}?sequence=1.5"), "FF00143"),
    ] {
        let error = api.get(&format!("/api/v1/{path}")).await.json(400);
        let text = error["error"].as_str().unwrap();
        assert!(text.starts_with(&format!("{code}: ")), "{path}: {text}");
    }
    let error = api.get("/api/v1/events?created=x").await.json(400);
    assert!(error["error"].as_str().unwrap().contains(": FF00136: "));
    let refused = api.post(&format!("{BROADCAST}?confirm=%"), json!({})).await;
    refused.json(400);
}

#[tokio::test]
async fn data_of_both_places_is_filtered_by_every_field() {
    let api = Api::new().await;
    let mut all = Vec::new();
    for number in 1..=6 {
        let value = json!({"n": number, "text": "x".repeat(number * 10)});
        // In turn in the log, and by itself.
        let id = if number % 2 == 1 {
            let body = json!({"data": [{"value": value}]});
            api.post(BROADCAST, body).await.json(202)["data"][0]["id"].clone()
        } else {
            let validator = if number == 4 { "none" } else { "json" };
            let body = json!({"value": value, "validator": validator});
            api.post("/api/v1/data", body).await.json(201)["id"].clone()
        };
        let shown = api
            .get(&format!("/api/v1/data/{}", id.as_str().unwrap()))
            .await;
        all.push(shown.json(200));
    }
    let of = |number: usize, key: &str| all[number - 1][key].as_str().unwrap();
    for (query, expected) in [
        (String::new(), "6 5 4 3 2 1"),
        ("limit=2&skip=1".to_owned(), "5 4"),
        (format!("id={}&id={}", of(2, "id"), of(5, "id")), "5 2"),
        (format!("id=!{}&limit=3", of(5, "id")), "6 4 3"),
        ("id=x".to_owned(), ""),
        ("validator=none".to_owned(), "4"),
        ("validator=!json&count".to_owned(), "4"),
        ("datatype.name=".to_owned(), "6 5 4 3 2 1"),
        ("datatype.version=!".to_owned(), ""),
        (format!("hash={}", of(3, "hash")), "3"),
        ("blob.hash=!?".to_owned(), ""),
        ("blob.hash=?&limit=1".to_owned(), "6"),
        ("blob.name=@x".to_owned(), ""),
        ("blob.size=>0".to_owned(), ""),
        (format!("created=>={}", of(5, "created")), "6 5"),
        (
            format!(
                "created=[>={}&created=<={}",
                of(2, "created"),
                of(3, "created")
            ),
            "3 2",
        ),
        (r#"value=@"n":4"#.to_owned(), "4"),
        ("value=?".to_owned(), ""),
        ("value=!?&limit=1".to_owned(), "6"),
        ("sort=created&limit=3".to_owned(), "1 2 3"),
        ("sort=value&skip=4".to_owned(), "5 6"),
        ("public=&blob.public=&blob.path=&limit=1".to_owned(), "6"),
    ] {
        let shown = list(&api, &format!("data?{query}")).await;
        let counted = shown["items"].as_array();
        let items = counted.or(shown.as_array()).unwrap();
        let numbers: Vec<_> = items
            .iter()
            .map(|item| item["value"]["n"].to_string())
            .collect();
        assert_eq!(numbers.join(" "), expected, "{query}");
    }
    let counted = list(&api, "data?count&limit=2&validator=json").await;
    assert_eq!(
        (&counted["count"], &counted["total"]),
        (&json!(2), &json!(5))
    );
    let refused = api.get("/api/v1/data?blob.size=@1").await;
    refused.is_error(400, "FF00145");
}

#[tokio::test]
async fn groups_are_filtered_by_every_field() {
    let api = Api::new().await;
    let mut hashes = Vec::new();
    for name in ["a", "b", "c"] {
        let body = json!({"group": {"name": name, "members": [{"identity": "o"}]}});
        let sent = api
            .post("/api/v1/messages/private?confirm", body)
            .await
            .json(200);
        hashes.push(sent["header"]["group"].as_str().unwrap().to_owned());
    }
    for (query, expected) in [
        (String::new(), "c b a"),
        (format!("hash={}", hashes[1]), "b"),
        ("description=^a".to_owned(), "a"),
        ("message=?&ledger=?&limit=1".to_owned(), "c"),
        ("message=!?".to_owned(), ""),
        ("created=>=1690000000&sort=created".to_owned(), "a b c"),
        ("sort=-description&limit=1&skip=1".to_owned(), "b"),
    ] {
        let shown = list(&api, &format!("groups?{query}")).await;
        let items = shown.as_array().unwrap().iter();
        let names: Vec<_> = items.map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(names.join(" "), expected, "{query}");
    }
    let counted = list(&api, "groups?count&limit=1").await;
    assert_eq!(
        (&counted["count"], &counted["total"]),
        (&json!(1), &json!(3))
    );
    api.get("/api/v1/groups?created=x")
        .await
        .is_error(400, "FF00143");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_by_its_id_does_not_wait_for_lists() {
    let api = Api::with(json!({"reads_max": 4}), Scripted::new()).await;
    let sent = api.post(&format!("{BROADCAST}?confirm"), json!({})).await;
    let id = sent.json(200)["header"]["id"].as_str().unwrap().to_owned();
    // Lists that nobody takes.
    let first = api.unfetched("/api/v1/events").await;
    let second = api.unfetched("/api/v1/messages").await;
    let list = || {
        let request = Request::get("/api/v1/data").header("Request-Timeout", "1");
        api.send(request.body(Body::empty()).unwrap())
    };
    list().await.is_error(408, "FF00166: ");
    api.get(&format!("/api/v1/messages/{id}")).await.json(200);
    api.get("/api/v1/operations").await.json(200);
    drop(first);
    list().await.json(200);
    drop(second);
}
