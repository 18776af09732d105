//! What does one value of a query ask for?
//!
//! ```text
//!   [!:^order   modifiers, an operator, a text
//! ```
//! Modifiers come in any order and may repeat; the first character that is neither begins the text.

use photinus_contract::CodedError;

use super::field::{Kind, Value};

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Contains,
    StartsWith,
    EndsWith,
}

impl Operator {
    fn new(text: &str) -> Self {
        match text {
            ">" | ">>" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" | "<<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            "@" => Operator::Contains,
            "^" => Operator::StartsWith,
            "$" => Operator::EndsWith,
            _ => Operator::Equal,
        }
    }

    fn compares(self) -> bool {
        use Operator::{Greater, GreaterOrEqual, Less, LessOrEqual};
        matches!(self, Greater | GreaterOrEqual | Less | LessOrEqual)
    }

    fn looks_into(self) -> bool {
        use Operator::{Contains, EndsWith, StartsWith};
        matches!(self, Contains | StartsWith | EndsWith)
    }

    fn holds<T: Ord + ?Sized>(self, value: &T, operand: &T) -> bool {
        match self {
            Operator::Greater => value > operand,
            Operator::GreaterOrEqual => value >= operand,
            Operator::Less => value < operand,
            Operator::LessOrEqual => value <= operand,
            _ => value == operand,
        }
    }

    fn holds_for_text(self, value: &str, operand: &str) -> bool {
        match self {
            Operator::Contains => value.contains(operand),
            Operator::StartsWith => value.starts_with(operand),
            Operator::EndsWith => value.ends_with(operand),
            _ => self.holds(value, operand),
        }
    }
}

/// What a value is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Null,
    Text(String),
    Number(i64),
}

/// What is asked of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: Operator,
    pub(super) operand: Operand,
    pub(super) negated: bool,
    /// Whether upper and lower case are the same.
    pub(super) folded: bool,
}

/// A value, taken apart.
#[derive(Debug, Default)]
struct Parts<'a> {
    /// At most two characters.
    operator: String,
    negated: bool,
    folded: bool,
    /// Whether no text means null.
    null: bool,
    together: bool,
    text: &'a str,
}

impl<'a> Parts<'a> {
    fn of(value: &'a str) -> Self {
        let mut parts = Self::default();
        let mut rest = value.chars();
        loop {
            parts.text = rest.as_str();
            let Some(character) = rest.next() else { break };
            match character {
                '!' => parts.negated = true,
                ':' => parts.folded = true,
                '?' => parts.null = true,
                '[' => parts.together = true,
                ']' => parts.together = false,
                '>' | '<' if parts.operator.is_empty() => parts.operator.push(character),
                '=' | '@' | '^' | '$' => {
                    parts.operator.push(character);
                    parts.text = rest.as_str();
                    break;
                }
                // The second one, if it is the same; else the text begins with it.
                '>' | '<' if parts.operator.starts_with(character) => {
                    parts.operator.push(character);
                    parts.text = rest.as_str();
                    break;
                }
                _ => break,
            }
        }
        parts
    }

    fn operand(&self, name: &str, kind: Kind, operator: Operator) -> Result<Operand, CodedError> {
        let is_modified = self.negated || self.folded || self.null;
        if operator.compares() && is_modified {
            let written = &self.operator;
            let text = format!("Operator '{written}' on field '{name}' takes no modifiers");
            return Err(CodedError::bad_request("FF00193", text));
        }
        let looks_into = operator.looks_into() || self.folded;
        if self.null && self.text.is_empty() {
            if looks_into {
                let text = format!("Field '{name}' cannot be compared with null in this way");
                return Err(CodedError::bad_request("FF00144", text));
            }
            return Ok(Operand::Null);
        }
        if kind.is_text() {
            return Ok(Operand::Text(self.text.to_owned()));
        }
        if looks_into {
            let text = format!(
                "Field '{name}' of type '{}' cannot be searched as a text",
                kind.name()
            );
            return Err(CodedError::bad_request("FF00145", text));
        }
        let number = kind.number(self.text).map_err(|cause| {
            let text = format!("Unable to parse the value for field '{name}'");
            cause.wrapped_in("FF00143", 400, &text)
        })?;
        Ok(Operand::Number(number))
    }
}

impl Condition {
    /// What `value` asks of a field of this name and kind, and whether it and the field's other values have to hold
    /// together.
    pub(super) fn new(name: &str, kind: Kind, value: &str) -> Result<(Self, bool), CodedError> {
        let parts = Parts::of(value);
        let operator = Operator::new(&parts.operator);
        let operand = match parts.operand(name, kind, operator)? {
            Operand::Text(text) if parts.folded => Operand::Text(folded(&text)),
            operand => operand,
        };
        let condition = Self {
            operator,
            operand,
            negated: parts.negated,
            folded: parts.folded,
        };
        Ok((condition, parts.together))
    }

    /// Whether it holds for a value. As in SQL, nothing can be said of null but that it is.
    pub(super) fn holds(&self, value: &Value<'_>) -> bool {
        let holds = match &self.operand {
            Operand::Null => Some(*value == Value::Null),
            Operand::Number(operand) => value
                .number()
                .map(|number| self.operator.holds(&number, operand)),
            Operand::Text(operand) => value.in_text(&mut [0; 64]).map(|text| match self.folded {
                true => self.operator.holds_for_text(&folded(text), operand),
                false => self.operator.holds_for_text(text, operand),
            }),
        };
        holds.is_some_and(|holds| holds != self.negated)
    }

    /// The text that a value has to be for this to hold.
    pub(super) fn only_text(&self) -> Option<&str> {
        match &self.operand {
            Operand::Text(text)
                if self.operator == Operator::Equal && !self.negated && !self.folded =>
            {
                Some(text)
            }
            _ => None,
        }
    }

    /// The lowest number that a value can be for this to hold.
    pub(super) fn least_number(&self) -> Option<i64> {
        use Operator::{Equal, Greater, GreaterOrEqual};
        match self.operand {
            Operand::Number(number) if !self.negated => match self.operator {
                Equal | GreaterOrEqual => Some(number),
                Greater => Some(number.saturating_add(1)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The highest number that a value can be for this to hold.
    pub(super) fn most_number(&self) -> Option<i64> {
        use Operator::{Equal, Less, LessOrEqual};
        match self.operand {
            Operand::Number(number) if !self.negated => match self.operator {
                Equal | LessOrEqual => Some(number),
                Less => Some(number.saturating_sub(1)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A text of which upper and lower case are the same, character by character.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests;
