//! What is the server told, in all?

use std::ffi::OsString;

use photinus_server::fuzzing::settings;

use crate::in_time;

/// Lines that begin with `--` are arguments of the command line, up to the first space and after it; the rest is
/// the configuration file.
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
        let mut file = input;
        while file.starts_with(b"--") {
            let end = file.iter().position(|byte| *byte == b'\n');
            let line = String::from_utf8_lossy(&file[..end.unwrap_or(file.len())]);
            let (name, value) = line.split_once(' ').unwrap_or((&line, ""));
            // Other files are not ours to read, and help is not about settings.
            if !name.starts_with("--config") {
                arguments.push(name.into());
                if !value.is_empty() {
                    arguments.push(value.into());
                }
            }
            file = &file[end.map_or(file.len(), |end| end + 1)..];
        }
        std::fs::write(&path, file).unwrap();
        let Some(told) = settings(arguments.clone()) else {
            return;
        };
        if let Err(error) = &told {
            assert!(!error.is_empty());
            assert!(!error.contains('\n'), "one line: {error}");
        }
        assert_eq!(settings(arguments), Some(told));
    });
}
