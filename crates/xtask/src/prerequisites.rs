//! What must be on the machine before the checks can run, and how does it get there?

mod debian;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Installs what is missing, and says what and why; or says what to install where that is not possible.
pub(crate) fn ensure(root: &Path) -> Result<()> {
    debian::ensure()?;
    ensure_components()?;
    ensure_node_modules(&root.join("crates/e2e/node"))?;
    ensure_python(&root.join("crates/e2e/python"))
}

/// A minimal Rust installation comes without the formatter and the lints.
fn ensure_components() -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if output_of("cargo", &[subcommand, "--version"]).is_some() {
            continue;
        }
        println!("   Missing: {component}, for `cargo {subcommand}`");
        if output_of("rustup", &["--version"]).is_none() {
            bail!("there is no rustup here; please install {component} the way Rust was installed");
        }
        run(&["rustup", "component", "add", component], Path::new("/"))?;
    }
    Ok(())
}

fn ensure_node_modules(directory: &Path) -> Result<()> {
    let modified = |name: &str| {
        directory
            .join(name)
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    // npm writes the second file when an installation is complete.
    let wanted = modified("package-lock.json").context("crates/e2e/node/package-lock.json")?;
    if modified("node_modules/.package-lock.json").is_some_and(|installed| installed >= wanted) {
        println!("   FireFly's Node.js client and the library of Standard Webhooks are there.");
        return Ok(());
    }
    println!(
        "   Missing: FireFly's Node.js client and the library of Standard Webhooks, which the tests run unmodified (npm ci)"
    );
    run(&["npm", "ci"], directory)
}

fn ensure_python(directory: &Path) -> Result<()> {
    let modified = |name: &str| {
        let file = directory.join(name).metadata();
        file.and_then(|file| file.modified()).ok()
    };
    let wanted = modified("requirements.txt").context("crates/e2e/python/requirements.txt")?;
    if modified(".venv/installed").is_some_and(|installed| installed >= wanted) {
        println!("   schemathesis, pika, paho and the library of Standard Webhooks are there.");
        return Ok(());
    }
    println!(
        "   Missing: schemathesis, which asks the API all that its description allows, pika and paho, with which people use brokers, and the library of Standard Webhooks (pip)"
    );
    run(&["python3", "-m", "venv", ".venv"], directory)?;
    let pip = directory.join(".venv/bin/pip").display().to_string();
    let install = ["install", "--quiet", "--requirement", "requirements.txt"];
    run(&[&[pip.as_str()], install.as_slice()].concat(), directory)?;
    std::fs::write(directory.join(".venv/installed"), "").context(".venv/installed")
}

/// Runs a command, which is shown, with its output.
fn run(words: &[&str], directory: &Path) -> Result<()> {
    println!("   $ {}", words.join(" "));
    run_unshown(words, directory)
}

fn run_unshown(words: &[&str], directory: &Path) -> Result<()> {
    let shown = words.join(" ");
    let status = Command::new(words[0])
        .args(&words[1..])
        .current_dir(directory)
        .status()
        .with_context(|| format!("could not start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// What a command prints, or nothing where it is not there or fails.
fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
