//! What must be on the machine before the checks can run, and how does it get there?

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The oldest Node.js that runs FireFly's client; Debian 12 has it.
const NODE_MAJOR_MIN: u32 = 18;

/// Installs what is missing, and says what and why; or says what to install where that is not possible.
pub(crate) fn ensure(root: &Path) -> Result<()> {
    ensure_debian_packages()?;
    ensure_components()?;
    ensure_node_modules(&root.join("crates/e2e/node"))?;
    ensure_python(&root.join("crates/e2e/python"))
}

fn ensure_debian_packages() -> Result<()> {
    let mut missing: Vec<(&str, &str)> = Vec::new();
    if output_of("cc", &["--version"]).is_none() {
        missing.push(("gcc", "a C compiler builds the bundled SQLite"));
        missing.push(("libc6-dev", "the headers that the C compiler needs"));
    }
    match output_of("node", &["--version"]) {
        None => missing.push((
            "nodejs",
            "the tests run FireFly's own Node.js client, and a library of Standard Webhooks",
        )),
        Some(version) => match major(&version) {
            Some(major) if major >= NODE_MAJOR_MIN => {}
            _ => bail!(
                "Node.js {NODE_MAJOR_MIN} or newer is needed to run FireFly's own client in the tests, and \
                 `node` on the path is {version}. Install a newer one, or put it first on the path."
            ),
        },
    }
    if output_of("npm", &["--version"]).is_none() {
        missing.push(("npm", "it installs these for the tests"));
    }
    if output_of("valgrind", &["--version"]).is_none() {
        missing.push(("valgrind", "it counts what finding subscriptions costs"));
    }
    if output_of("python3", &["-c", "import ensurepip, venv"]).is_none() {
        missing.push((
            "python3-venv",
            "it installs schemathesis and a library of Standard Webhooks for the tests",
        ));
    }
    if missing.is_empty() {
        println!("   A C compiler, Node.js, npm, valgrind and Python are there.");
        return Ok(());
    }

    println!("   Missing:");
    for (package, why) in &missing {
        println!("   - {package}: {why}");
    }
    let packages: Vec<&str> = missing.iter().map(|(package, _)| *package).collect();
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if output_of("apt-get", &["--version"]).is_none() {
        bail!(
            "there is no apt-get here to install them with; on Debian 12 it would be `{by_hand}`"
        );
    }
    let prefix: &[&str] = if output_of("id", &["-u"]).as_deref() == Some("0") {
        &[]
    } else if output_of("sudo", &["-n", "true"]).is_some() {
        &["sudo", "-n"]
    } else {
        bail!("not root, and sudo would ask for a password; please run `sudo {by_hand}` first");
    };
    let apt = |arguments: &[&str]| {
        let mut words = prefix.to_vec();
        words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        words.extend(arguments);
        run(&words, Path::new("/"))
    };
    apt(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments).with_context(|| format!("please run `{by_hand}` and see what it says"))
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
        println!("   schemathesis and the library of Standard Webhooks are there.");
        return Ok(());
    }
    println!(
        "   Missing: schemathesis, which asks the API all that its description allows, and the library of Standard Webhooks (pip)"
    );
    run(&["python3", "-m", "venv", ".venv"], directory)?;
    let pip = directory.join(".venv/bin/pip").display().to_string();
    let install = ["install", "--quiet", "--requirement", "requirements.txt"];
    run(&[&[pip.as_str()], install.as_slice()].concat(), directory)?;
    std::fs::write(directory.join(".venv/installed"), "").context(".venv/installed")
}

/// Runs a command with its output shown.
fn run(words: &[&str], directory: &Path) -> Result<()> {
    let shown = words.join(" ");
    println!("   $ {shown}");
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

/// The 18 of `v18.20.4`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_node_is_read() {
        for (version, expected) in [
            ("v18.20.4", Some(18)),
            ("v9.0.0", Some(9)),
            ("20.1.0", None),
            ("v", None),
        ] {
            assert_eq!(major(version), expected, "{version}");
        }
    }
}
