//! How does a check end, whatever schema and value have been made for?
//!
//! The value is looked at through a meter. Each look costs something, and when all is spent there is nothing more to
//! be seen: every place looks like `null`, so that nothing leads further, and the verdict does not count.

use std::borrow::Cow;
use std::cell::Cell;

use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, unique};
use jsonschema::types::JsonType;
use serde_json::{Map, Number, Value};

/// A text costs one more for so many bytes.
const TEXT_BYTES: usize = 256;

/// Values that are looked at through a meter.
pub(super) struct Metered;

/// What may still be spent.
pub(super) struct Meter(Cell<u64>);

impl Meter {
    /// So many looks.
    pub(super) fn new(looks: u64) -> Self {
        Self(Cell::new(looks))
    }

    /// Whether all was spent.
    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }

    /// Whether there was so much left.
    fn spend(&self, looks: u64) -> bool {
        let left = self.0.get().saturating_sub(looks);
        self.0.set(left);
        left > 0
    }

    /// The value, to be looked at.
    pub(super) fn on<'a>(&'a self, value: &'a Value) -> Place<'a> {
        let meter = Some(self);
        Place { value, meter }
    }
}

/// A place of a value. The names of members have no meter: there are no more of them than of members.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    value: &'a Value,
    meter: Option<&'a Meter>,
}

impl<'a> Place<'a> {
    /// The value, as far as it can be seen.
    fn seen(&self) -> &'a Value {
        let length = self.value.as_str().map_or(0, str::len);
        let looks = 1 + (length / TEXT_BYTES) as u64;
        match self.meter.is_none_or(|meter| meter.spend(looks)) {
            true => self.value,
            false => &Value::Null,
        }
    }
}

impl Json for Metered {
    type Node<'a> = Place<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Place<'_>) -> T) -> T {
        let value = Value::String(string.to_owned());
        f(Place {
            value: &value,
            meter: None,
        })
    }
}

impl<'a> Node<'a, Metered> for Place<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Members<'a>> {
        let members = self.seen().as_object()?;
        let meter = self.meter;
        Some(Members { members, meter })
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        let elements = self.seen().as_array()?;
        let meter = self.meter;
        Some(Elements { elements, meter })
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.seen().as_str().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        match self.seen() {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        self.seen().as_bool()
    }

    fn is_null(&self) -> bool {
        self.seen().is_null()
    }

    fn json_type(&self) -> JsonType {
        match self.seen() {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Borrowed(self.value)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        let address = std::ptr::from_ref(self.value) as usize;
        Some(NodeIdentity::new(address))
    }
}

/// The members of an object.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    members: &'a Map<String, Value>,
    meter: Option<&'a Meter>,
}

impl<'a> Object<'a, Metered> for Members<'a> {
    type Node = Place<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.members.len()
    }

    fn get(&self, key: &String) -> Option<Place<'a>> {
        let value = self.members.get(key.as_str())?;
        let meter = self.meter;
        Some(Place { value, meter })
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter {
            left: self.members.iter(),
            meter: self.meter,
        }
    }
}

/// One member after the other.
pub(super) struct MembersIter<'a> {
    left: serde_json::map::Iter<'a>,
    meter: Option<&'a Meter>,
}

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Place<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let meter = self.meter;
        let (name, value) = self.left.next()?;
        let is_seen = meter.is_none_or(|meter| meter.spend(1));
        is_seen.then_some((name.as_str(), Place { value, meter }))
    }
}

/// The elements of an array.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a> {
    elements: &'a [Value],
    meter: Option<&'a Meter>,
}

impl<'a> Array<'a, Metered> for Elements<'a> {
    type Node = Place<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        self.elements.len()
    }

    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter {
            left: self.elements.iter(),
            meter: self.meter,
        }
    }

    fn is_unique(&self) -> bool {
        unique::is_unique(self.elements)
    }
}

/// One element after the other.
pub(super) struct ElementsIter<'a> {
    left: std::slice::Iter<'a, Value>,
    meter: Option<&'a Meter>,
}

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Place<'a>;

    fn next(&mut self) -> Option<Place<'a>> {
        let meter = self.meter;
        let value = self.left.next()?;
        let is_seen = meter.is_none_or(|meter| meter.spend(1));
        is_seen.then_some(Place { value, meter })
    }
}
