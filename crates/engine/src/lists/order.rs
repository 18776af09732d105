//! In which order do the rows of a list come?

use std::cmp::Reverse;

use super::field::{Field, Value};

/// A field by which rows are sorted.
#[derive(Debug)]
pub(super) struct Sort<R: 'static> {
    pub(super) field: &'static Field<R>,
    pub(super) descending: bool,
}

/// A row's place among others. What has no value comes first, as in SQLite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Ascending(Sorted),
    Descending(Reverse<Sorted>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sorted {
    Null,
    Number(i64),
    Text(Box<str>),
}

impl Sorted {
    pub(super) fn of(value: &Value<'_>) -> Self {
        match value.in_text(&mut [0; 64]) {
            Some(text) => Sorted::Text(text.into()),
            None => value.number().map_or(Sorted::Null, Sorted::Number),
        }
    }
}

impl<R> Sort<R> {
    pub(super) fn key(&self, row: &R) -> Key {
        let sorted = Sorted::of(&(self.field.value)(row));
        match self.descending {
            true => Key::Descending(Reverse(sorted)),
            false => Key::Ascending(sorted),
        }
    }
}

impl Key {
    /// How many bytes it has apart from itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Key::Ascending(Sorted::Text(text)) | Key::Descending(Reverse(Sorted::Text(text))) => {
                text.len()
            }
            _ => 0,
        }
    }
}
