//! What of a subscription's options is never shown?
//!
//! What the transport's options schema marks `writeOnly`. The engine takes those values out of the options
//! before anything is stored or shown, and leaves [`MASK`] where they stood; a transport asks for them with
//! [`Subscription::revealed_options`](crate::Subscription::revealed_options) or [`Secrets::get`].

mod places;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

pub use self::places::SecretPlaces;
use crate::object::plain_values;

/// What is shown where a secret is, and what a client sends back to keep it.
pub const MASK: &str = "***";

/// The secret values of a subscription, each by its place in the options: a JSON pointer such as
/// `/tls/key`. Prints the places only.
#[derive(Clone, Default, PartialEq)]
pub struct Secrets {
    values: BTreeMap<String, Value>,
}

impl Secrets {
    /// The value at a place.
    pub fn get(&self, place: &str) -> Option<&Value> {
        self.values.get(place)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Those that are not in `others`, or differ there.
    pub fn without(&self, others: &Secrets) -> Self {
        let mut left = self.clone();
        left.values
            .retain(|place, value| others.get(place) != Some(value));
        left
    }

    /// The options with the values where they belong.
    pub(crate) fn put_into(&self, options: &mut Map<String, Value>) {
        for (place, value) in &self.values {
            put(options, place, value.clone());
        }
    }

    /// The values as one JSON text, for stores to keep apart; `None` if there are none.
    pub fn to_stored(&self) -> Option<String> {
        (!self.is_empty())
            .then(|| Value::Object(self.values.clone().into_iter().collect()).to_string())
    }

    /// Reads what [`to_stored`](Self::to_stored) wrote. The error does not repeat the text.
    pub fn from_stored(text: &str) -> Result<Self, SecretsError> {
        let mut decoder = serde_json::Deserializer::from_str(text);
        let values = plain_values(&mut decoder).map_err(|_| SecretsError)?;
        decoder.end().map_err(|_| SecretsError)?;
        Ok(Self {
            values: values.into_iter().collect(),
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.values.keys().map(|place| (place, MASK)))
            .finish()
    }
}

/// The text is not one that [`Secrets`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored secrets cannot be read")]
pub struct SecretsError;

/// A key as it stands in a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The keys of a JSON pointer.
fn keys(place: &str) -> impl Iterator<Item = String> + '_ {
    let keys = place.split('/').skip(1);
    keys.map(|key| key.replace("~1", "/").replace("~0", "~"))
}

fn at<'a>(options: &'a Map<String, Value>, place: &str) -> Option<&'a Value> {
    let mut keys = keys(place);
    let mut value = options.get(&keys.next()?)?;
    for key in keys {
        // What stands where an object should be is no longer an object with a secret in it.
        value = match value.as_object() {
            Some(object) => object.get(&key)?,
            None => return Some(&Value::Null),
        };
    }
    Some(value)
}

fn take(options: &mut Map<String, Value>, place: &str) -> Option<Value> {
    let keys: Vec<String> = keys(place).collect();
    let (last, parents) = keys.split_last()?;
    let mut object = options;
    for key in parents {
        object = object.get_mut(key)?.as_object_mut()?;
    }
    object.remove(last)
}

fn put(options: &mut Map<String, Value>, place: &str, value: Value) {
    let keys: Vec<String> = keys(place).collect();
    let Some((last, parents)) = keys.split_last() else {
        return;
    };
    let mut object = options;
    for key in parents {
        let next = object
            .entry(key)
            .or_insert_with(|| Value::Object(Map::new()));
        let Some(next) = next.as_object_mut() else {
            return;
        };
        object = next;
    }
    object.insert(last.clone(), value);
}
