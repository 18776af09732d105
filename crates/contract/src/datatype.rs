//! What does a value have to look like?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::data::{Hash, Validator};
use crate::id::MessageId;
use crate::name::Namespace;
use crate::time::Timestamp;

/// A schema under a name and a version, which values can say they conform to. It never changes. Written as FireFly
/// writes it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Datatype {
    /// The id of the record whose event announces it.
    pub id: MessageId,
    /// How the schema is to be understood.
    pub validator: Validator,
    /// Where it is.
    pub namespace: Namespace,
    /// What it is called.
    pub name: String,
    /// Which of that name; each is a datatype of its own.
    pub version: String,
    /// The hash of the schema.
    pub hash: Hash,
    /// When it was committed.
    pub created: Timestamp,
    /// The schema, as it was sent, without white space.
    pub value: Box<RawValue>,
}

impl Datatype {
    /// A JSON Schema under this name and version. Its time is set when it is committed.
    pub fn new(
        id: MessageId,
        namespace: Namespace,
        name: String,
        version: String,
        hash: Hash,
        value: Box<RawValue>,
    ) -> Self {
        Self {
            id,
            validator: Validator::Json,
            namespace,
            name,
            version,
            hash,
            created: Timestamp::from_nanos(0),
            value,
        }
    }

    /// The same, committed at this time.
    pub fn committed(self, created: Timestamp) -> Self {
        Self { created, ..self }
    }
}
