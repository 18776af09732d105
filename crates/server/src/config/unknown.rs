//! What is said of a name that nobody knows?

use super::layer::{key_name, section_name};
use super::nearest::{nearest, plain};
use super::schema::{Node, Schema};

/// Longer names are cut where they are shown.
const NAME_SHOWN_MAX: usize = 60;

/// What the name was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Key,
    Section,
}

impl Kind {
    pub(crate) fn of_table(is_table: bool) -> Self {
        match is_table {
            true => Self::Section,
            false => Self::Key,
        }
    }
}

/// What is wrong with `name` in the section at `path`, and what was meant perhaps.
pub(crate) fn text(schema: &Schema, path: &[String], name: &str, kind: Kind) -> String {
    // A name may be anything; what is said is one line.
    let written: String = name.escape_debug().take(NAME_SHOWN_MAX).collect();
    let section = schema.root().at(path);
    let children = section.map(Node::children).unwrap_or_default();
    let within = |name: &str| {
        let mut full = path.to_vec();
        full.push(name.to_owned());
        match children.get(name).is_some_and(|child| child.is_section()) {
            true => section_name(&full),
            false => name.to_owned(),
        }
    };
    let mut text = match (path, kind) {
        ([only], _) if only == "transports" => format!("there is no transport `{written}`"),
        ([only], _) if only == "store" => format!("there is no store `{written}`"),
        (_, Kind::Section) => {
            let mut full = path.to_vec();
            full.push(written);
            format!("unknown section {}", section_name(&full))
        }
        ([], Kind::Key) => format!("unknown key `{written}`"),
        (path, Kind::Key) => format!("unknown key `{written}` in {}", section_name(path)),
    };
    // What has the same kind is nearer than what has not.
    let same_kind = |wanted: bool| {
        let known = children.iter();
        known
            .filter(move |(_, child)| child.is_section() == wanted)
            .map(|(name, _)| *name)
    };
    let is_section = kind == Kind::Section;
    let near =
        nearest(name, same_kind(is_section)).or_else(|| nearest(name, same_kind(!is_section)));
    if let Some(near) = near {
        text.push_str(&format!("; did you mean `{}`?", within(near)));
        return text;
    }
    let elsewhere: Vec<String> = schema
        .root()
        .keys()
        .iter()
        .map(|(path, _)| path)
        .filter(|other| other.last().is_some_and(|last| plain(last) == plain(name)))
        .map(|other| format!("`{}`", key_name(other)))
        .collect();
    if !elsewhere.is_empty() {
        text.push_str(&format!("; did you mean {}?", elsewhere.join(" or ")));
        return text;
    }
    let known: Vec<&str> = children.keys().copied().collect();
    if !known.is_empty() {
        text.push_str(&format!("; known: {}", known.join(", ")));
    }
    text
}
