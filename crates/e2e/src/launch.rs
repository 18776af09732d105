//! How is a server started in another way than the usual?

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::NamedTempFile;

/// An environment and a configuration file, both empty unless set, and where it runs: where the test does,
/// unless said otherwise.
#[derive(Clone, Default)]
pub struct Launch {
    directory: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    configuration: Option<Arc<NamedTempFile>>,
}

impl Launch {
    /// With this variable.
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// With this configuration, in TOML.
    pub fn configuration(mut self, toml: &str) -> Self {
        let mut file = NamedTempFile::with_prefix("photinus-e2e-").expect("a temporary file");
        file.write_all(toml.as_bytes())
            .expect("a temporary file takes a few bytes");
        self.configuration = Some(Arc::new(file));
        self
    }

    /// In this working directory.
    pub fn directory(mut self, path: &Path) -> Self {
        self.directory = Some(path.to_owned());
        self
    }

    pub(crate) fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if let Some(file) = &self.configuration {
            command.arg("--config").arg(file.path());
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.envs(
            self.environment
                .iter()
                .map(|(name, value)| (name.as_os_str(), value.as_os_str())),
        )
    }
}
