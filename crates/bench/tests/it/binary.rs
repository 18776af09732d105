//! Which binary is measured?

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Builds what `cargo build --workspace --bins` builds, in the profile and the directory of this test, so that
/// `cargo test` alone cannot meet a stale binary. Takes no time where nothing changed.
pub(crate) fn product() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let own = PathBuf::from(env!("CARGO_BIN_EXE_photinus-bench"));
        let profile_directory = own.parent().unwrap();
        let profile = match profile_directory.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            name => name,
        };
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--workspace",
                "--bins",
                "--profile",
                profile,
                "--target-dir",
            ])
            .arg(profile_directory.parent().unwrap())
            // Cargo runs a test in the directory of its package.
            .current_dir("../..")
            .status()
            .unwrap();
        assert!(status.success(), "the workspace does not build: {status}");
        profile_directory.join("photinus")
    };
    BUILT.get_or_init(build).clone()
}
