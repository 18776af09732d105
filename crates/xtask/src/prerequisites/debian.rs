//! Which of Debian's packages do the checks need?

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{output_of, run, run_unshown};

/// The oldest Node.js that runs FireFly's client; Debian 12 has it.
const NODE_MAJOR_MIN: u32 = 18;

/// What has to answer, or to be there; the package that has it; and why it is needed.
const PROGRAMS: [(Sign, &str, &str); 7] = [
    (
        Sign::Runs("cc", &["--version"]),
        "gcc",
        "a C compiler builds the bundled SQLite",
    ),
    (
        Sign::Runs("cc", &["--version"]),
        "libc6-dev",
        "the headers that the C compiler needs",
    ),
    (
        Sign::Runs("npm", &["--version"]),
        "npm",
        "it installs FireFly's client for the tests",
    ),
    (
        Sign::Runs("valgrind", &["--version"]),
        "valgrind",
        "it counts what finding subscriptions costs",
    ),
    (
        Sign::Runs("python3", &["-c", "import ensurepip, venv"]),
        "python3-venv",
        "it installs schemathesis, pika, paho and a library of Standard Webhooks for the tests",
    ),
    (
        Sign::IsThere("/usr/lib/rabbitmq/bin/rabbitmq-server"),
        "rabbitmq-server",
        "the tests send events to a real RabbitMQ",
    ),
    (
        Sign::IsThere("/usr/sbin/mosquitto"),
        "mosquitto",
        "the tests send events to a real MQTT broker",
    ),
];

/// Installs packages, and leaves no service behind: the tests start brokers of their own. A policy that is there already
/// is somebody's, and stays.
const INSTALL: &str = r#"
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
if [ -d /run/systemd/system ]; then
    for package in "$@"; do
        case $package in
            rabbitmq-server | mosquitto) systemctl disable --quiet $package.service ;;
        esac
    done
fi
"#;

/// How one sees that a package is there.
enum Sign {
    Runs(&'static str, &'static [&'static str]),
    IsThere(&'static str),
}

impl Sign {
    fn is_seen(&self) -> bool {
        match self {
            Self::Runs(program, arguments) => output_of(program, arguments).is_some(),
            Self::IsThere(path) => Path::new(path).exists(),
        }
    }
}

/// Installs what is missing, and says what and why; or says what to install where that is not possible.
pub(super) fn ensure() -> Result<()> {
    let mut missing: Vec<(&str, &str)> = node()?.into_iter().collect();
    let unseen = PROGRAMS.iter().filter(|(sign, ..)| !sign.is_seen());
    missing.extend(unseen.map(|(_, package, why)| (*package, *why)));
    if missing.is_empty() {
        println!(
            "   A C compiler, Node.js, npm, valgrind, Python, RabbitMQ and Mosquitto are there."
        );
        return Ok(());
    }
    println!("   Missing:");
    for (package, why) in &missing {
        println!("   - {package}: {why}");
    }
    let packages: Vec<&str> = missing.iter().map(|(package, _)| *package).collect();
    install(&packages)
}

/// Node.js, unless one is there that is new enough.
fn node() -> Result<Option<(&'static str, &'static str)>> {
    let Some(version) = output_of("node", &["--version"]) else {
        return Ok(Some((
            "nodejs",
            "the tests run FireFly's own Node.js client, and a library of Standard Webhooks",
        )));
    };
    if major(&version).is_none_or(|major| major < NODE_MAJOR_MIN) {
        bail!(
            "Node.js {NODE_MAJOR_MIN} or newer is needed to run FireFly's own client in the tests, and \
             `node` on the path is {version}. Install a newer one, or put it first on the path."
        );
    }
    Ok(None)
}

fn install(packages: &[&str]) -> Result<()> {
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
    let update = [prefix, &["apt-get", "update", "-qq"]].concat();
    run(&update, Path::new("/"))?;
    println!("   $ {by_hand}, without starting what it installs");
    let install = [prefix, &["sh", "-c", INSTALL, "install"], packages].concat();
    run_unshown(&install, Path::new("/"))
        .with_context(|| format!("please run `{by_hand}` and see what it says"))
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
