//! What shape has that which goes in and out?
//!
//! What the contract defines describes itself there. Here are the answers that are written without a type of
//! their own, and those that differ by a flag.

#![expect(
    dead_code,
    reason = "these are shapes, of which there is never a value"
)]

use photinus_contract::data::{DataRef, Hash, Validator};
use photinus_contract::message::{MessageHeader, MessageState};
use photinus_contract::name::NAME_PATTERN;
use photinus_contract::store::NamespaceInfo;
use photinus_contract::{
    Data, Datatype, EventId, EventType, Message, MessageInput, Namespace, Sequence, Subscription,
    Timestamp,
};
use photinus_engine::{
    Address, ParkedEvent, Rotated, Sought, SubscriptionInput, SubscriptionStatus, Trial,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::OptionSchemas;
use crate::charts::Bucket;
use crate::history::PreviewInput;
use crate::namespaces::NamespaceInput;
use crate::network::Identity;
use crate::parked::{ParkedCount, ParkedInput};
use crate::pause::PauseInput;
use crate::secret::RotateInput;
use crate::seek::SeekInput;
use crate::trial::TrialInput;

/// Where the document keeps shapes.
const DEFINITIONS: &str = "/components/schemas";

/// What answers a request that cannot be fulfilled.
#[derive(JsonSchema)]
struct Error {
    /// A code, a colon, and what is wrong: docs/errors.md lists those that begin with PH.
    error: String,
}

/// An event of the log: one topic of one message.
#[derive(JsonSchema)]
struct Event {
    /// The same on every delivery: what receivers tell repetitions by.
    id: EventId,
    /// Its place in the log.
    sequence: Sequence,
    #[serde(rename = "type")]
    kind: EventType,
    namespace: Namespace,
    /// What it is about: the id of the message.
    reference: Uuid,
    /// The message that that one answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlator: Option<Uuid>,
    topic: String,
    created: Timestamp,
}

/// An event, with what it is about where that was asked for.
#[derive(JsonSchema)]
struct EnrichedEvent {
    #[serde(flatten)]
    event: Event,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

/// A message, whose values stand in the place of the references where that was asked for.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MessageWithData {
    header: MessageHeader,
    local_namespace: Namespace,
    hash: Hash,
    state: MessageState,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<Timestamp>,
    data: Vec<DataOrRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    /// The attributes of the CloudEvent that it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_event: Option<Map<String, Value>>,
}

/// A value, or a reference to it.
#[derive(JsonSchema)]
struct DataOrRef {
    #[serde(flatten)]
    reference: DataRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    validator: Option<Validator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
}

/// A datatype that is to be defined.
#[derive(JsonSchema)]
struct DatatypeInput {
    #[schemars(extend("pattern" = NAME_PATTERN))]
    name: String,
    /// Which of that name; each is a datatype of its own.
    #[schemars(extend("pattern" = NAME_PATTERN))]
    version: String,
    /// `json`, which is also meant if it is not there.
    validator: Option<String>,
    /// A JSON Schema that refers to nothing outside of itself.
    value: Box<RawValue>,
}

/// Who gets a private message.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Group {
    namespace: Namespace,
    /// Tells groups with the same members apart.
    name: String,
    members: Vec<Member>,
    local_namespace: Namespace,
    /// Over namespace, name and members: what a message names it by.
    hash: Hash,
    /// When it was first used.
    created: Timestamp,
}

/// One of them.
#[derive(JsonSchema)]
struct Member {
    identity: String,
    node: String,
}

/// A subscription, with where it is if that was asked for.
#[derive(JsonSchema)]
struct SubscriptionWithStatus {
    #[serde(flatten)]
    subscription: Subscription,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<SubscriptionStatus>,
}

/// A parked event with what it carries.
#[derive(JsonSchema)]
struct ParkedEventWithPayload {
    #[serde(flatten)]
    parked: ParkedEvent,
    /// The event, without the subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<EnrichedEvent>,
    /// The values of its message.
    data: Vec<Data>,
}

/// What the filter of a subscription matches.
#[derive(JsonSchema)]
struct History {
    /// Items in this page.
    count: u64,
    /// The same.
    total: u64,
    items: Vec<EnrichedEvent>,
}

/// What a filter matches among the newest events.
#[derive(JsonSchema)]
struct Preview {
    /// Events that were looked at.
    scanned: u64,
    /// Those of them that it matches.
    matched: u64,
    events: Vec<EnrichedEvent>,
    /// Where the newest three of them would go, if options were given; none for a transport without addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<Address>>,
}

/// A CloudEvent 1.0. Extensions are texts, truth values or whole numbers of 32 bits.
#[derive(JsonSchema)]
struct CloudEvent {
    /// `1.0`.
    specversion: String,
    /// Together with the source what it is told by.
    id: String,
    /// Becomes the author.
    source: String,
    /// Becomes the tag.
    #[serde(rename = "type")]
    kind: String,
    /// Becomes the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    /// Any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    /// Bytes, instead of `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    #[serde(flatten)]
    extensions: Map<String, Value>,
}

/// What became of a message.
#[derive(JsonSchema)]
struct Published {
    id: Uuid,
    /// Of its last event.
    sequence: Sequence,
}

/// What became of a line, one on each: its message, or its error.
#[derive(JsonSchema)]
#[serde(untagged)]
enum BulkAnswer {
    Published(Published),
    Refused {
        /// From 1, blank ones included.
        line: u64,
        error: String,
    },
}

/// A page of a list.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum List<T> {
    Items(Vec<T>),
    /// Where `count` was asked for.
    Counted {
        /// Items in this page.
        count: u64,
        /// All that there are.
        total: i64,
        items: Vec<T>,
    },
}

/// All of them, by name.
pub(super) fn all(options: OptionSchemas<'_>) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = DEFINITIONS.into();
        settings.meta_schema = None;
    });
    let answers = settings.clone().for_serialize().into_generator();
    let answers = answers_of(answers);
    let questions = questions_of(settings.for_deserialize().into_generator());
    let mut shapes: Map<String, Value> = answers;
    shapes.extend(questions);
    shapes.insert("File".into(), json!({"type": "string", "format": "binary"}));
    shapes.insert("FileInput".into(), file_input());
    shapes.insert("Value".into(), json!({"description": "Any JSON."}));
    let mut of_transports = Vec::new();
    for (name, schema) in options {
        let name = format!("{name}Options");
        let place = format!("#{DEFINITIONS}/{name}");
        let mut schema = schema.clone();
        lead_into(&place, &mut schema);
        of_transports.push(json!({"$ref": place}));
        shapes.insert(name, schema);
    }
    // What a transport says of its own options need not hold for those that all have.
    of_transports.push(json!({"title": "with those that all have", "type": "object"}));
    if let Some(options) = shapes.get_mut("SubscriptionOptions") {
        options["anyOf"] = of_transports.into();
    }
    shapes.sort_keys();
    shapes.into()
}

/// The references of a schema of its own lead to where it is from now on.
fn lead_into(place: &str, schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref")
                && let Some(within) = reference.strip_prefix('#')
            {
                *reference = format!("{place}{within}");
            }
            object
                .values_mut()
                .for_each(|value| lead_into(place, value));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| lead_into(place, item)),
        _ => {}
    }
}

fn answers_of(mut generator: SchemaGenerator) -> Map<String, Value> {
    generator.subschema_for::<Error>();
    let named: [(&str, Schema); 15] = [
        (
            "Subscriptions",
            generator.subschema_for::<List<Subscription>>(),
        ),
        ("Events", generator.subschema_for::<List<EnrichedEvent>>()),
        (
            "Messages",
            generator.subschema_for::<List<MessageWithData>>(),
        ),
        ("DataList", generator.subschema_for::<List<Data>>()),
        ("DataOfMessage", generator.subschema_for::<Vec<Data>>()),
        (
            "Namespaces",
            generator.subschema_for::<Vec<NamespaceInfo>>(),
        ),
        ("BulkAnswer", generator.subschema_for::<BulkAnswer>()),
        ("Paths", generator.subschema_for::<Vec<String>>()),
        ("Identities", generator.subschema_for::<List<Identity>>()),
        ("Empty", generator.subschema_for::<List<()>>()),
        ("Histogram", generator.subschema_for::<Vec<Bucket>>()),
        ("Datatypes", generator.subschema_for::<List<Datatype>>()),
        ("Groups", generator.subschema_for::<List<Group>>()),
        (
            "ParkedEvents",
            generator.subschema_for::<List<ParkedEvent>>(),
        ),
        (
            "CloudEventsTaken",
            generator.subschema_for::<CloudEventsTaken>(),
        ),
    ];
    generator.subschema_for::<SubscriptionWithStatus>();
    generator.subschema_for::<Sought>();
    generator.subschema_for::<Rotated>();
    generator.subschema_for::<Trial>();
    generator.subschema_for::<ParkedCount>();
    generator.subschema_for::<ParkedEventWithPayload>();
    generator.subschema_for::<History>();
    generator.subschema_for::<Preview>();
    generator.subschema_for::<crate::status::Status<'_>>();
    generator.subschema_for::<crate::status::MultipartyStatus>();
    generator.subschema_for::<crate::status::BatchManagerStatus>();
    let mut shapes = generator.take_definitions(true);
    for (name, schema) in named {
        if !shapes.contains_key(name) {
            shapes.insert(name.to_owned(), schema.into());
        }
    }
    shapes
}

/// A message, or of a batch what became of each.
#[derive(JsonSchema)]
#[serde(untagged)]
enum CloudEventsTaken {
    One(Box<Message>),
    Batch(Vec<Published>),
}

/// A form with a file, which comes last.
fn file_input() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    json!({
        "type": "object",
        "required": ["file"],
        "properties": {
            "autometa": text("`true` adds the name and the type of the file to the metadata."),
            "metadata": text("Becomes the value: JSON, or a text."),
            "validator": text("How the value is checked: `json`, `none` or `definition`."),
            "datatype.name": text("The datatype that the value must conform to."),
            "datatype.version": text("Its version."),
            "file": {"type": "string", "format": "binary", "description": "After all other fields."},
        },
    })
}

fn questions_of(mut generator: SchemaGenerator) -> Map<String, Value> {
    generator.subschema_for::<SubscriptionInput>();
    generator.subschema_for::<MessageInput>();
    generator.subschema_for::<NamespaceInput>();
    generator.subschema_for::<SeekInput>();
    generator.subschema_for::<DatatypeInput>();
    generator.subschema_for::<PauseInput>();
    generator.subschema_for::<RotateInput>();
    generator.subschema_for::<TrialInput>();
    generator.subschema_for::<ParkedInput>();
    generator.subschema_for::<PreviewInput>();
    let event = generator.subschema_for::<CloudEvent>();
    let batch = json!({"type": "array", "items": event, "maxItems": 10_000});
    let line = generator.subschema_for::<MessageInput>();
    let mut shapes = generator.take_definitions(true);
    shapes.insert("CloudEventBatch".into(), batch);
    shapes.insert("BulkLine".into(), line.into());
    shapes
}
