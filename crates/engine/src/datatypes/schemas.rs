//! Which schemas are kept compiled, and where are values checked?
//!
//! On threads for what blocks, a few at a time, and for a bounded time. Nothing is ever fetched: a schema refers to
//! nothing but itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonschema::{Draft, PatternOptions, Validator};
use photinus_contract::{CodedError, Datatype, Namespace};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::cost::{Cost, measure};
use super::metered::{Meter, Metered};

/// Most schemas that are kept compiled.
const SCHEMAS_MAX: usize = 256;
/// Most bytes that they have as text, with something for each pattern. Compiled they are several times as large.
const SCHEMAS_BYTES_MAX: usize = 8 << 20;
/// Most values that are checked, and schemas that are compiled, at once.
const CHECKS_MAX: usize = 4;
/// Largest automaton of a pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256 << 10;
/// What a pattern counts towards the bytes that are kept.
const PATTERN_BYTES: usize = 16 << 10;
/// How often a check may look at a value: so often, and for each of its bytes.
const LOOKS_FIXED: u64 = 300_000;
const LOOKS_PER_BYTE: u64 = 64;
/// Most schemas that are applied within one another in all: as many calls are on the stack.
const CALLS_MAX: usize = 1_000;

/// The schemas of datatypes.
pub(crate) struct Schemas {
    kept: Mutex<Kept>,
    turns: Semaphore,
}

#[derive(Default)]
struct Kept {
    schemas: BTreeMap<Key, Schema>,
    bytes: usize,
    /// Counts what is asked for.
    now: u64,
}

/// Namespace, name and version.
type Key = (Namespace, String, String);

struct Schema {
    compiled: Arc<Compiled>,
    bytes: usize,
    used: u64,
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            turns: Semaphore::new(CHECKS_MAX),
        }
    }
}

impl Schemas {
    /// A schema that is kept compiled.
    pub(super) fn kept(
        &self,
        namespace: &Namespace,
        name: &str,
        version: &str,
    ) -> Option<Arc<Compiled>> {
        let mut kept = self.lock();
        kept.now += 1;
        let now = kept.now;
        let key = (namespace.clone(), name.to_owned(), version.to_owned());
        let schema = kept.schemas.get_mut(&key)?;
        schema.used = now;
        Some(schema.compiled.clone())
    }

    /// Compiles the schema of a datatype, and keeps it instead of what was not used for longest.
    pub(super) async fn keep(
        &self,
        tasks: &TaskTracker,
        datatype: Datatype,
    ) -> Result<Arc<Compiled>, CodedError> {
        let bytes = datatype.value.get().len();
        let Datatype {
            namespace,
            name,
            version,
            value,
            ..
        } = datatype;
        let compiled = self.in_turn(tasks, move || compile(&value)).await?;
        let compiled = Arc::new(compiled.map_err(|why| {
            let text = format!("the schema of datatype '{name}:{version}' is invalid: {why}");
            CodedError::internal(text)
        })?);
        let key = (namespace, name, version);
        let bytes = bytes + compiled.cost.patterns * PATTERN_BYTES;
        let mut kept = self.lock();
        kept.now += 1;
        let schema = Schema {
            compiled: compiled.clone(),
            bytes,
            used: kept.now,
        };
        kept.bytes += bytes;
        if let Some(before) = kept.schemas.insert(key, schema) {
            kept.bytes -= before.bytes;
        }
        kept.shrink();
        Ok(compiled)
    }

    /// Why a schema is invalid, if it is.
    pub(super) async fn try_compile(
        &self,
        tasks: &TaskTracker,
        schema: &RawValue,
    ) -> Result<Result<(), String>, CodedError> {
        let schema = schema.to_owned();
        self.in_turn(tasks, move || compile(&schema).map(drop))
            .await
    }

    /// Why a value does not conform, if it does not.
    pub(super) async fn check(
        &self,
        tasks: &TaskTracker,
        schema: Arc<Compiled>,
        value: &str,
    ) -> Result<Result<(), String>, CodedError> {
        let value = value.to_owned();
        self.in_turn(tasks, move || check(&schema, &value)).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        tasks: &TaskTracker,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CodedError> {
        let internal = |error: &dyn std::fmt::Display| CodedError::internal(error.to_string());
        let _turn = self.turns.acquire().await.map_err(|e| internal(&e))?;
        let done = tasks.spawn_blocking(work).await;
        done.map_err(|error| internal(&error))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Forgets what was not used for longest, until there is not too much; never the last one.
    fn shrink(&mut self) {
        while self.schemas.len() > 1
            && (self.schemas.len() > SCHEMAS_MAX || self.bytes > SCHEMAS_BYTES_MAX)
        {
            let oldest = self.schemas.iter().min_by_key(|(_, schema)| schema.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some(schema) = self.schemas.remove(&key) {
                self.bytes -= schema.bytes;
            }
        }
    }
}

/// A schema that can be used.
pub(super) struct Compiled {
    validator: Validator<Metered>,
    cost: Cost,
}

fn compile(schema: &RawValue) -> Result<Compiled, String> {
    let schema: Value = serde_json::from_str(schema.get()).map_err(|error| error.to_string())?;
    let cost = measure(&schema)?;
    // The same patterns as in filters: linear in time, and without looking around.
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX);
    let options = jsonschema::options_for::<Metered>()
        .offline()
        .with_pattern_options(patterns);
    // FireFly's is of the drafts 4 to 7, and takes a schema that does not say for one of these.
    let options = match schema.get("$schema") {
        Some(_) => options,
        None => options.with_draft(Draft::Draft7),
    };
    let validator = options.build(&schema).map_err(|error| told(&error))?;
    Ok(Compiled { validator, cost })
}

fn check(schema: &Compiled, value: &str) -> Result<(), String> {
    let bytes = value.len() as u64;
    let value: Value = serde_json::from_str(value).map_err(|error| error.to_string())?;
    if (depth(&value) + 1).saturating_mul(schema.cost.nesting + 1) > CALLS_MAX {
        return Err("the value is nested too deeply for this schema".to_owned());
    }
    let looks = LOOKS_FIXED + bytes.saturating_mul(LOOKS_PER_BYTE);
    let spent = || "the schema takes too long on this value".to_owned();
    let meter = Meter::new(looks);
    let is_valid = schema.validator.is_valid(meter.on(&value));
    if meter.is_spent() {
        return Err(spent());
    }
    if is_valid {
        return Ok(());
    }
    // To say why takes longer than to say no.
    let meter = Meter::new(looks);
    match schema.validator.validate(meter.on(&value)) {
        Err(mistake) if !meter.is_spent() => Err(told(&mistake)),
        _ => Err("the schema says no, and would take too long to say why".to_owned()),
    }
}

/// How many arrays and objects are within one another.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A mistake and its place, without the value, which may be large.
fn told(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    match place.is_empty() {
        true => error.masked().to_string(),
        false => format!("{place}: {}", error.masked()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(schema: &str) -> Result<Compiled, String> {
        compile(&RawValue::from_string(schema.to_owned()).unwrap())
    }

    #[test]
    fn values_are_checked_against_schemas_of_all_drafts() {
        for (schema, good, bad) in [
            (r#"{"type":"object","required":["a"]}"#, r#"{"a":1}"#, "{}"),
            ("true", "null", ""),
            (r#"{"items":[{"type":"string"}]}"#, r#"["a",1]"#, "[1]"),
            (
                r#"{"format":"date-time"}"#,
                r#""2026-01-02T03:04:05Z""#,
                r#""x""#,
            ),
            (r#"{"pattern":"^a+$"}"#, r#""aa""#, r#""ab""#),
            (
                r##"{"definitions":{"x":{"minimum":5}},"properties":{"a":{"$ref":"#/definitions/x"}}}"##,
                r#"{"a":5}"#,
                r#"{"a":4}"#,
            ),
            (
                r#"{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true}"#,
                "2",
                "1",
            ),
            (
                r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://x.example/s","prefixItems":[{"type":"null"}]}"#,
                "[null,1]",
                "[1]",
            ),
        ] {
            let schema = compiled(schema).unwrap();
            assert_eq!(check(&schema, good), Ok(()), "{good}");
            assert!(bad.is_empty() || check(&schema, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_schema_is_refused_and_nothing_is_fetched() {
        for schema in [
            "5",
            "[]",
            "null",
            r#"{"type":"nothing"}"#,
            r#"{"required":"a"}"#,
            r#"{"pattern":"("}"#,
            r#"{"pattern":"(?=a)"}"#,
            r#"{"pattern":"(a{1000}){1000}"}"#,
            r#"{"$ref":"https://127.0.0.1:1/x"}"#,
            r#"{"$ref":"file:///etc/hostname"}"#,
            r##"{"$ref":"#/nowhere"}"##,
            r#"{"$schema":"https://127.0.0.1:1/meta"}"#,
            r#"{"$schema":5}"#,
        ] {
            assert!(compiled(schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_check_ends_whatever_schema_and_value_were_made_for() {
        let deep = |levels: usize| "[".repeat(levels) + "5" + &"]".repeat(levels);
        let twice = r##"{"anyOf":[{"items":{"$ref":"#"}},{"items":{"$ref":"#"}}],"type":"array"}"##;
        let other = r##"{"definitions":{"a":{"items":{"$ref":"#"},"minItems":1},"b":{"items":{"$ref":"#"},"type":["array","null"]}},
            "allOf":[{"$ref":"#/definitions/a"},{"$ref":"#/definitions/b"}],"type":"array"}"##;
        let uneven = r##"{"oneOf":[{"items":{"$ref":"#"}},{"items":{"oneOf":[{"$ref":"#"},{"$ref":"#"}]}}]}"##;
        for schema in [twice, other, uneven] {
            let schema = compiled(schema).unwrap();
            for levels in [1, 20, 60, 120] {
                let told = check(&schema, &deep(levels)).unwrap_err();
                assert!(told.len() < 400, "{told}");
            }
        }
        // As deep as schema and value may be, one within the other.
        for kind in ["allOf", "anyOf", "oneOf"] {
            let chain = |count: usize, last: &str| {
                let next = |number: usize| format!(r##"{{"{kind}":[{{"$ref":"#/d/{number}"}}]}}"##);
                let each =
                    (1..count).map(|number| format!(r#""{}":{},"#, number - 1, next(number)));
                let each: String = each.collect();
                format!(
                    r##"{{"d":{{{each}"{}":{last}}},"$ref":"#/d/0"}}"##,
                    count - 1
                )
            };
            for (count, levels) in [(97, 3), (20, 20), (2, 120), (3, 120)] {
                for last in [
                    r##"{"items":{"$ref":"#"},"type":"array"}"##,
                    r##"{"properties":{"a":{"$ref":"#"}},"items":{"$ref":"#"},"minLength":9}"##,
                ] {
                    let schema = compiled(&chain(count, last)).unwrap();
                    let _ = check(&schema, &deep(levels));
                    let _ = check(
                        &schema,
                        &(r#"{"a":"#.repeat(levels) + "5" + &"}".repeat(levels)),
                    );
                }
            }
        }
        // Long, but not deep in any value.
        let items = |next: usize| format!(r##"{{"items":{{"$ref":"#/d/{next}"}}}}"##);
        let each = (1..20_000).map(|number| format!(r#""{}":{},"#, number - 1, items(number)));
        let each: String = each.collect();
        let long = compiled(&format!(
            r##"{{"d":{{{each}"19999":{{}}}},"$ref":"#/d/0"}}"##
        ))
        .unwrap();
        assert_eq!(check(&long, &deep(120)), Ok(()));
        let told = check(&compiled(twice).unwrap(), &deep(126)).unwrap_err();
        assert!(!told.is_empty());
    }

    #[test]
    fn mistakes_are_told_with_their_places_and_without_values() {
        let schema = r#"{"properties":{"a":{"type":"string"},"b":{"maxLength":2}}}"#;
        let value = format!(r#"{{"a":5,"b":"{}"}}"#, "x".repeat(100_000));
        let told = check(&compiled(schema).unwrap(), &value).unwrap_err();
        assert!(told.contains("/a: ") && told.len() < 200, "{told}");
        let told = check(&compiled(schema).unwrap(), &value.replace('5', "\"5\"")).unwrap_err();
        assert!(told.contains("/b: ") && told.len() < 200, "{told}");
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(check(&compiled("true").unwrap(), &deep).is_err());
        assert!(check(&compiled("true").unwrap(), r#""\ud800""#).is_err());
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let mut kept = Kept::default();
        let validator = Arc::new(compiled("true").unwrap());
        for number in 0..SCHEMAS_MAX as u64 + 5 {
            let key = (Namespace::new("ns"), number.to_string(), String::new());
            let schema = Schema {
                compiled: validator.clone(),
                bytes: 10,
                used: if number == 0 { 1_000 } else { number },
            };
            kept.bytes += 10;
            kept.schemas.insert(key, schema);
            kept.shrink();
        }
        let has = |number: u64| {
            let key = (Namespace::new("ns"), number.to_string(), String::new());
            kept.schemas.contains_key(&key)
        };
        assert!(has(0) && !has(1) && !has(5) && has(6));
        assert_eq!(
            (kept.schemas.len(), kept.bytes),
            (SCHEMAS_MAX, SCHEMAS_MAX * 10)
        );
    }
}
