//! Which keys do the flags of the command line set?

use clap::ValueEnum;
use serde_json::{Value, json};

use super::check::check;
use super::layer::{Layer, Origin, key_name};
use super::schema::Schema;
use crate::cli::Arguments;

/// A flag, and the key that it sets, as `section.key`.
type Flag = (&'static str, &'static str);

const LISTEN: Flag = ("--listen", "api.listen");
const MONITORING: Flag = ("--monitoring", "monitoring.listen");
const DATA: Flag = ("--data", "data");
const LOG_FORMAT: Flag = ("--log-format", "log.format");
const LOG_LEVEL: Flag = ("--log-level", "log.level");

/// All of them.
pub(crate) const FLAGS: [Flag; 5] = [LISTEN, MONITORING, DATA, LOG_FORMAT, LOG_LEVEL];

/// The flag that sets this key, if there is one.
pub(crate) fn flag(path: &[String]) -> Option<&'static str> {
    let path = path.join(".");
    let mut flags = FLAGS.into_iter();
    flags.find_map(|(flag, key)| (key == path).then_some(flag))
}

/// The settings that the command line makes, checked.
pub(crate) fn layer(arguments: &Arguments, schema: &Schema) -> Layer {
    let Arguments {
        listen,
        monitoring,
        data,
        config: _,
        log_format,
        log_level,
    } = arguments;
    let word = |format: &crate::logging::Format| {
        let word = format.to_possible_value();
        word.map_or(Value::Null, |word| json!(word.get_name()))
    };
    let given = [
        (LISTEN, listen.map(|address| json!(address))),
        (MONITORING, monitoring.map(|address| json!(address))),
        // A name that is no UTF-8 is shown as well as it can be, and used as it is.
        (
            DATA,
            data.as_ref().map(|path| json!(path.to_string_lossy())),
        ),
        (LOG_FORMAT, log_format.as_ref().map(word)),
        (
            LOG_LEVEL,
            log_level.as_ref().map(|level| json!(level.as_str())),
        ),
    ];
    let mut layer = Layer::default();
    for ((flag, key), value) in given {
        let Some(value) = value else { continue };
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let origin = Origin::Flag(flag);
        let checked = match schema.root().at(&path) {
            Some(node) => check(node, &value, schema.is_secret(&path)),
            None => Err("there is no such key".to_owned()),
        };
        match checked {
            Ok(()) => layer.set(path, value, origin),
            Err(error) => {
                let text = format!("{}: {error}", key_name(&path));
                layer.mistake(&origin, &path, text);
            }
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command};

    #[test]
    fn every_flag_sets_a_key_but_the_one_that_names_the_file() {
        let schema = crate::config::schema();
        for (flag, key) in FLAGS {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            let node = schema.root().at(&path);
            assert!(node.is_some_and(|node| !node.is_section()), "{flag}: {key}");
        }
        let command = Arguments::augment_args(Command::new("photinus"));
        let mut flags: Vec<String> = command
            .get_arguments()
            .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
            .filter(|flag| flag != "--config")
            .collect();
        flags.sort();
        let mut known = FLAGS.map(|(flag, _)| flag.to_owned());
        known.sort();
        assert_eq!(flags, known);
    }
}
