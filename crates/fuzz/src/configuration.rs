//! What is the server told, in all?

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use photinus_server::fuzzing::settings;

use crate::in_time;

/// Lines that begin with `--` are arguments of the command line, up to the first space and after it; those that
/// begin with `$` are variables of the environment, up to the first `=` and after it, `PHOTINUS__` left out; the
/// rest is the configuration file.
pub fn configuration(input: &[u8]) {
    thread_local! {
        static DIRECTORY: tempfile::TempDir = tempfile::tempdir().unwrap();
    }
    in_time(input, || {
        let path = DIRECTORY.with(|directory| directory.path().join("photinus.toml"));
        let mut arguments = vec![
            OsString::from("photinus"),
            OsString::from("--config"),
            path.clone().into(),
        ];
        let mut environment = Vec::new();
        let mut file = input;
        while file.starts_with(b"--") || file.starts_with(b"$") {
            let end = file.iter().position(|byte| *byte == b'\n');
            let line = &file[..end.unwrap_or(file.len())];
            match line.strip_prefix(b"$") {
                Some(line) => environment.push(variable(line)),
                None => {
                    let line = String::from_utf8_lossy(line);
                    let (name, value) = line.split_once(' ').unwrap_or((&line, ""));
                    // Other files are not ours to read, and help is not about settings.
                    if !name.starts_with("--config") {
                        arguments.push(name.into());
                        if !value.is_empty() {
                            arguments.push(value.into());
                        }
                    }
                }
            }
            file = &file[end.map_or(file.len(), |end| end + 1)..];
        }
        std::fs::write(&path, file).unwrap();
        let Some(told) = settings(arguments.clone(), environment.clone()) else {
            return;
        };
        match &told {
            Err(error) => {
                assert!(!error.is_empty());
                for line in error.lines() {
                    let is_plain = !line.is_empty() && !line.contains(char::is_control);
                    assert!(is_plain, "{line:?}");
                }
            }
            Ok(first) => {
                // What is shown is a configuration that says the same.
                std::fs::write(&path, &first.shown).unwrap();
                let only_file = arguments[..3].to_vec();
                let again = settings(only_file, Vec::new()).unwrap().unwrap();
                let without_origins = |shown: &str| -> Vec<String> {
                    let lines = shown.lines();
                    lines.map(|line| before_comment(line).to_owned()).collect()
                };
                assert_eq!(without_origins(&again.shown), without_origins(&first.shown));
                std::fs::write(&path, file).unwrap();
            }
        }
        assert_eq!(settings(arguments, environment), Some(told));
    });
}

/// What is behind the last `  # ` says where a value comes from.
fn before_comment(line: &str) -> &str {
    line.rsplit_once("  # ").map_or(line, |(value, _)| value)
}

fn variable(line: &[u8]) -> (OsString, OsString) {
    let middle = line.iter().position(|byte| *byte == b'=');
    let (name, value) = line.split_at(middle.unwrap_or(line.len()));
    let name = [b"PHOTINUS__", name].concat();
    let value = value.strip_prefix(b"=").unwrap_or_default();
    (OsString::from_vec(name), OsString::from_vec(value.to_vec()))
}
