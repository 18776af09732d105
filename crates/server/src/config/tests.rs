//! What are the tests of the whole told?

mod described;
mod layers;
mod mistakes;
mod passwords;
mod shown;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use photinus_contract::{BoxFuture, Callbacks, Transport};
use serde_json::json;
use tempfile::NamedTempFile;

use super::layer::{key_name, put};
use super::*;

/// A transport with a secret, a section within its section, and keys that only its operator names, some of them with
/// a secret of their own.
struct Pigeons;

/// Where they fly to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Target {
    /// The roof.
    #[expect(dead_code, reason = "only whether it can be read is of interest")]
    url: String,
    /// What the cat wants to hear.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    #[expect(dead_code, reason = "as above")]
    password: Option<Password>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "as above")]
enum Password {
    Text(String),
    Env { env: String },
    File { file: PathBuf },
}

impl TransportPlugin for Pigeons {
    fn name(&self) -> &'static str {
        "carrier-pigeons"
    }

    fn config_schema(&self) -> Value {
        let target = schemars::schema_for!(Target).to_value();
        json!({
            "type": "object", "additionalProperties": false, "description": "Birds.",
            "properties": {
                "flock_max": {"type": "integer", "minimum": 1, "default": 12, "description": "How many there are."},
                "whistle": {"type": "string", "writeOnly": true, "default": null, "description": "What they come to."},
                "loft": {"$ref": "#/$defs/Loft"},
                "names": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Their names."},
                "targets": {
                    "type": "object", "additionalProperties": {"$ref": "#/$defs/Target"},
                    "description": "Where they fly to.",
                },
            },
            "$defs": {"Password": target["$defs"]["Password"], "Target": target, "Loft": {
                "type": "object", "additionalProperties": false, "description": "Where they live.",
                "properties": {
                    "key": {"type": "string", "writeOnly": true, "default": null, "description": "It is locked."},
                    "floor": {"type": "integer", "default": 3, "description": "How high."},
                },
            }},
        })
    }

    fn check_config(&self, config: &Value) -> Result<(), String> {
        if let Some(targets) = config.get("targets") {
            let targets: Result<BTreeMap<String, Target>, _> = Deserialize::deserialize(targets);
            targets.map_err(|error| format!("targets: {error}"))?;
        }
        match &config["loft"]["floor"] {
            Value::Number(floor) if floor.as_i64() == Some(13) => {
                Err("loft.floor: there is no floor 13".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn init(
        &self,
        _config: Value,
        _callbacks: Arc<dyn Callbacks>,
    ) -> BoxFuture<'static, Result<Arc<dyn Transport>, String>> {
        Box::pin(std::future::ready(Err("they are asleep".to_owned())))
    }
}

fn plugins() -> Vec<Box<dyn TransportPlugin>> {
    let mut plugins = registry::transports().plugins;
    plugins.push(Box::new(Pigeons));
    plugins
}

/// A configuration of a file, variables and flags; mistakes with `FILE` for the file's name.
fn told(
    toml: &str,
    variables: &[(&str, &str)],
    arguments: Arguments,
) -> Result<Configuration, Vec<String>> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let name = file.path().display().to_string();
    let arguments = Arguments {
        config: Some(file.path().to_owned()),
        ..arguments
    };
    let variables = variables.iter().map(|(k, v)| (k.into(), v.into()));
    let environment = Environment::new(variables);
    Configuration::load_for(&plugins(), arguments, &environment).map_err(|mistakes| {
        let lines = mistakes.to_string();
        lines
            .lines()
            .map(|line| line.replace(&name, "FILE"))
            .collect()
    })
}

fn file(toml: &str) -> Result<Configuration, Vec<String>> {
    told(toml, &[], Arguments::default())
}
