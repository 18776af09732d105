//! How do the texts of the contract look in a JSON Schema?
//!
//! What is an object describes itself; here is what is written as a text or a number.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::data::Hash;
use crate::id::Sequence;
use crate::time::Timestamp;

macro_rules! described {
    ($($name:ident: $schema:tt)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

described! {
    Hash: {"type": "string", "pattern": "^(0x)?[0-9a-fA-F]{64}$"}
    Timestamp: {"type": "string", "format": "date-time"}
    Sequence: {"type": "integer", "format": "int64"}
}
