//! What does a fuzzer read that a client or a receiver sends?
//!
//! Not for use: the readers of options, of what the data of an event says about its request, and of what the headers of
//! an answer wish, which are private.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request};
use photinus_contract::data::{Data, Hash, Validator};
use photinus_contract::record::{Record, RecordContent, RecordEvent};
use photinus_contract::{
    CodedError, DataId, Event, EventType, MessageId, Namespace, Sequence, Subscription,
    SubscriptionFilter, SubscriptionId, SubscriptionOptions, Timestamp,
};
use serde_json::value::RawValue;
use url::Url;
use uuid::Uuid;

use crate::answer::Wish;
use crate::config::Config;
use crate::request::{Composer, Sample};
use crate::settings::Reader;
use crate::signing;

/// A request, and the address of the subscription that it is for.
pub type Composed = (Url, Result<Request<Bytes>, String>);

/// The request that these options make of an event with this value.
pub fn request(
    mut options: SubscriptionOptions,
    value: Option<Box<RawValue>>,
) -> Result<Composed, CodedError> {
    signing::complete(&mut options);
    let config = Config::default();
    let understood = config.understood().map_err(CodedError::internal)?;
    let reader = Reader {
        config: &config,
        understood: &understood,
    };
    let settings = reader.read(&options)?;
    let is_batch = options.is_batch();
    let (ns, now) = (Namespace::new("ns"), Timestamp::from_nanos(0));
    let subscription = Subscription::new(
        SubscriptionId(Uuid::nil()),
        ns,
        "s",
        "webhooks",
        SubscriptionFilter::default(),
        options,
        now,
    );
    let composer = Composer {
        subscription: &subscription,
        settings: &settings,
        now,
        is_test: false,
    };
    let data = value.map(datum);
    let event = event();
    let sample = Sample {
        event: &event,
        data: data.as_ref().map(std::slice::from_ref),
    };
    let prepared = match is_batch {
        true => composer.batch(&[sample]),
        false => composer.one(sample),
    };
    let request = prepared.map(|prepared| prepared.request);
    Ok((settings.url.clone(), request))
}

/// What the headers of an answer wish, in words.
pub fn wish(headers: &HeaderMap) -> String {
    format!("{:?}", Wish::of(headers, Timestamp::from_nanos(0)))
}

/// A value of a message.
pub(crate) fn datum(value: Box<RawValue>) -> Data {
    let (hash, ns) = (Hash([0; 32]), Namespace::new("ns"));
    let now = Timestamp::from_nanos(0);
    Data::new(DataId(Uuid::nil()), Validator::Json, ns, hash, now, value)
}

/// An event without a message.
pub(crate) fn event() -> Event {
    let id = MessageId::from_v7(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000));
    let json = format!(r#"{{"id":"{}","topic":"t""#, id.event(0));
    let event = RecordEvent {
        topic: "t".into(),
        json: json.into(),
    };
    let (ns, now) = (Namespace::new("ns"), Timestamp::from_nanos(0));
    let kind = EventType::MessageConfirmed;
    let content = RecordContent::new(id, ns, kind, now, vec![event], 0..0);
    let record = Arc::new(Record::new(Sequence(7), content));
    // It has one, just made.
    Event::new(record, 0).unwrap_or_else(|| unreachable!("there is one event"))
}
