//! Do lists show what their query asks for?

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
