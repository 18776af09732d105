//! Is a subscription tried as it is delivered, and nothing moved by it?

use std::sync::Arc;
use std::time::Duration;

use photinus_contract::store::Pause;
use photinus_contract::transport::{ConnectionState, Exchange, Scope};
use photinus_contract::{
    BoxFuture, Callbacks, Capabilities, CodedError, Data, Delivery, Event, HandOver, Outcome,
    Sequence, Subscription, SubscriptionId, Transport, TransportPlugin,
};
use photinus_engine::{Trial, TrialOf};
use serde_json::{Value, json};

use crate::bench::Bench;

async fn tried(bench: &Bench, id: SubscriptionId, of: TrialOf) -> Result<Trial, CodedError> {
    bench.handle.test_subscription("default", id, of).await
}

/// What was sent.
fn sent(trial: &Trial) -> Value {
    serde_json::from_str(&trial.exchange.request.body).unwrap()
}

fn values(trial: &Trial) -> Vec<&str> {
    let headers = trial.exchange.request.headers.iter();
    headers.map(|(_, value)| value.as_str()).collect()
}

/// The keys of an object and of those in it, with what kind of value each has.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        other => other.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_sample_looks_like_what_is_delivered_and_is_not_stored() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({"withData": true})).await.id;
    bench.connect("a", "app");
    let like_it = json!({"header": {"topics": ["t"], "tag": "g"}, "data": [{"value": 1}]});
    bench.send(like_it).await;
    let real = bench.delivery().await;
    let mut delivered = Vec::new();
    let reference = real.subscription.reference();
    real.event.write_delivery(reference, &mut delivered);
    let delivered: Value = serde_json::from_slice(&delivered).unwrap();

    let trial = tried(&bench, id, TrialOf::Sample).await.unwrap();
    let sample = sent(&trial);
    assert_eq!(shape(&sample), shape(&delivered));
    assert!(trial.test && trial.exchange.settled);
    assert_eq!(sample["id"], trial.event.to_string());
    assert_eq!(
        (&sample["type"], &sample["topic"], &sample["sequence"]),
        (
            &json!("message_confirmed"),
            &json!("photinus.test"),
            &json!(0)
        )
    );
    assert_eq!(sample["message"]["header"]["tag"], "test");
    assert_eq!(sample["subscription"]["name"], "app");
    assert_eq!(values(&trial), [r#"{"test":true}"#]);
    assert_eq!(bench.messages().await.len(), 1);
    let looked_up = bench.handle.event("default", trial.event.0).await;
    assert!(looked_up.unwrap().is_none());
    // It can be answered as if nothing had been.
    bench.answer(&real, Outcome::ack());
    assert_eq!(bench.offset(id).await, 1);
    bench.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_of_the_log_is_tried_with_its_data_if_that_is_delivered() {
    let bench = Bench::new().await;
    let with = bench.subscribe("with", json!({"withData": true})).await.id;
    let without = bench.subscribe("without", json!({})).await.id;
    let published = bench.publish(["1", "2"]).await;
    let event = published[1].id.event(0);
    for of in [TrialOf::Event(event.0), TrialOf::Sequence(Sequence(2))] {
        let trial = tried(&bench, with, of).await.unwrap();
        assert_eq!(
            (trial.event, sent(&trial)["sequence"].as_i64()),
            (event, Some(2))
        );
        assert_eq!(values(&trial), [r#""2""#]);
        let trial = tried(&bench, without, of).await.unwrap();
        assert_eq!(values(&trial), [""; 0]);
    }
    let message = published[1].id.0;
    for of in [
        TrialOf::Event(message),
        TrialOf::Event(uuid::Uuid::from_u128(7)),
        TrialOf::Sequence(Sequence(3)),
        TrialOf::Sequence(Sequence(0)),
        TrialOf::Sequence(Sequence(i64::MIN)),
        TrialOf::Sequence(Sequence(i64::MAX)),
    ] {
        let error = tried(&bench, with, of).await.unwrap_err();
        assert_eq!((error.code(), error.status()), ("PH00441", 404), "{of:?}");
    }
    let nobody = SubscriptionId(uuid::Uuid::from_u128(7));
    let error = tried(&bench, nobody, TrialOf::Sample).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("FF00164", 404));
    for id in [with, without] {
        assert_eq!(bench.offset(id).await, -1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_paused_or_down_can_be_tried() {
    let bench = Bench::new().await;
    let id = bench.subscribe("app", json!({})).await.id;
    let connection = bench.connect("a", "app");
    let down = ConnectionState::Down {
        reason: "no line".to_owned(),
    };
    bench
        .callbacks
        .connection_state(&connection, Scope::All, down);
    let pause = Pause::new(None, "a strike".to_owned());
    bench.handle.pause("default", id, pause).await.unwrap();
    bench.publish(["1"]).await;
    assert!(
        tried(&bench, id, TrialOf::Sample)
            .await
            .unwrap()
            .exchange
            .settled
    );
    bench.assert_quiet().await;
}

/// A transport that does this when it is to try something.
#[derive(Clone)]
struct Odd(fn() -> Option<BoxFuture<'static, Result<Exchange, CodedError>>>);

impl TransportPlugin for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }
    fn config_schema(&self) -> Value {
        json!({})
    }
    fn check_config(&self, _: &Value) -> Result<(), String> {
        Ok(())
    }
    fn init(
        &self,
        _: Value,
        _: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        let transport: Arc<dyn Transport> = Arc::new(self.clone());
        Box::pin(async { Ok(transport) })
    }
}

impl Transport for Odd {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
    fn deliver(&self, _: Delivery) -> HandOver {
        HandOver::Closed
    }
    fn test_delivery(
        &self,
        _: Arc<Subscription>,
        _: Event,
        _: Option<Arc<[Data]>>,
    ) -> Option<BoxFuture<'static, Result<Exchange, CodedError>>> {
        self.0()
    }
}

/// A bench with a subscription of an odd transport.
async fn with(odd: Odd) -> (Bench, SubscriptionId) {
    let bench = Bench::new().await;
    bench.engine.start_transport(&odd, json!({})).await.unwrap();
    let input = serde_json::from_value(json!({"name": "app", "transport": "odd"})).unwrap();
    let created = bench.handle.create_subscription("default", input).await;
    (bench, created.unwrap().id)
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_cannot_is_named() {
    let (bench, id) = with(Odd(|| None)).await;
    let error = tried(&bench, id, TrialOf::Sample).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("PH00448", 400));
    assert!(error.to_string().contains("'odd'"), "{error}");
    let rotated = bench.handle.rotate_secret("default", id, None, None).await;
    assert_eq!(rotated.unwrap_err().code(), "PH00449");
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_fails_or_panics_harms_nobody() {
    for (odd, code) in [
        (Odd(|| panic!("it fails")), "PH00500"),
        (
            Odd(|| Some(Box::pin(async { panic!("it fails") }))),
            "PH00500",
        ),
        (Odd(|| Some(Box::pin(refused()))), "PH00447"),
    ] {
        let (bench, id) = with(odd).await;
        let error = tried(&bench, id, TrialOf::Sample).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
}

async fn refused() -> Result<Exchange, CodedError> {
    Err(CodedError::bad_request("PH00447", "no such address"))
}

#[tokio::test(start_paused = true)]
async fn trials_are_bounded_in_time_and_in_number() {
    let (bench, id) = with(Odd(|| Some(Box::pin(std::future::pending())))).await;
    let scripted = bench.subscribe("quick", json!({})).await.id;
    let begun = tokio::time::Instant::now();
    let mut hanging = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let handle = bench.handle.clone();
        hanging.spawn(async move {
            handle
                .test_subscription("default", id, TrialOf::Sample)
                .await
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let error = tried(&bench, scripted, TrialOf::Sample).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("PH00503", 503));
    assert!(error.to_string().contains("16 trials"), "{error}");
    while let Some(ended) = hanging.join_next().await {
        let error = ended.unwrap().unwrap_err();
        assert_eq!((error.code(), error.status()), ("PH00503", 503));
        assert!(error.to_string().contains("60 s"), "{error}");
    }
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert!(tried(&bench, scripted, TrialOf::Sample).await.is_ok());
}
