//! What is a measurement, and what does it need?

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::bare::Bare;
use crate::drive::bulk;
use crate::product::{self, BULK_PATH, Product};
use crate::scale::Scale;
use crate::statistics::Better;
use crate::workload::Workload;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Messages, events, deliveries a second.
    #[serde(rename = "/s")]
    PerSecond,
    /// Microseconds.
    #[serde(rename = "µs")]
    Micros,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Mebibytes.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// Bytes.
    #[serde(rename = "B")]
    Bytes,
    /// How many times something is done.
    #[serde(rename = "×")]
    Times,
}

impl Unit {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Micros => "µs",
            Self::Millis => "ms",
            Self::Mebibytes => "MiB",
            Self::Bytes => "B",
            Self::Times => "×",
        }
    }

    /// Whether more of it is better.
    pub fn better(self) -> Better {
        match self {
            Self::PerSecond => Better::More,
            _ => Better::Less,
        }
    }
}

/// One figure of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
}

impl Figure {
    /// A figure.
    pub fn new(name: impl Into<String>, unit: Unit) -> Self {
        Self {
            name: name.into(),
            unit,
        }
    }
}

/// A figure of two sides: what the product has more than another, in the same round.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What it is.
    pub figure: Figure,
    /// The figure of both, by its place among [`Measurement::figures`].
    pub of: usize,
    /// The other, by its place among [`Measurement::sides`].
    pub side: usize,
}

/// What one side did in one round: a value for each figure that it has.
pub type Sample = Vec<Option<f64>>;

/// Something that is measured, of the product and of its limits.
pub trait Measurement {
    /// What it is called on the command line.
    fn name(&self) -> String;

    /// What is done, in words, with its sizes.
    fn about(&self) -> String;

    /// The figures of each sample, in order.
    fn figures(&self) -> Vec<Figure>;

    /// What is said of them besides.
    fn differences(&self) -> Vec<Difference> {
        Vec::new()
    }

    /// How many rounds there are. Fewer than of the others where a round is long and shows little else the next time.
    fn rounds(&self, scale: &Scale) -> usize {
        scale.rounds
    }

    /// Who is measured: the product first, then its limit, then parts of that. Each in words.
    fn sides(&self) -> Vec<&'static str>;

    /// What all rounds need, and a first run of each side that does not count.
    fn prepare(&mut self, bench: &Bench) -> Result<()>;

    /// Measures one side, and checks that what it measured happened.
    fn run(&mut self, bench: &Bench, side: usize) -> Result<Sample>;

    /// Ends what it started.
    fn finish(&mut self) -> Result<()>;
}

/// What all measurements share.
pub struct Bench {
    /// Drives the clients: one thread, so that a client takes at most one core.
    pub runtime: Runtime,
    /// How much is done.
    pub scale: Scale,
    /// What the product makes of a message.
    pub workload: Workload,
    binary: PathBuf,
    own_binary: PathBuf,
    directory: TempDir,
}

impl Bench {
    /// With files below `place`; the product is `binary`, and the bare servers are this program, `own_binary`.
    pub fn new(binary: PathBuf, own_binary: PathBuf, place: &Path, scale: Scale) -> Result<Self> {
        std::fs::create_dir_all(place).with_context(|| place.display().to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let directory =
            TempDir::with_prefix_in("run-", place).with_context(|| place.display().to_string())?;
        let workload = runtime.block_on(product::probe(&binary, directory.path()))?;
        Ok(Self {
            runtime,
            scale,
            workload,
            binary,
            own_binary,
            directory,
        })
    }

    /// Where all files are; removed with this.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new product on an empty directory.
    pub fn product(&self) -> Result<Product> {
        self.product_with("")
    }

    /// The same with more lines in its configuration.
    pub fn product_with(&self, settings: &str) -> Result<Product> {
        Product::start(&self.binary, self.directory.path(), settings)
    }

    /// The same product, started anew.
    pub fn restart(&self, product: Product) -> Result<Product> {
        product.restart(&self.binary)
    }

    /// A new bare server.
    pub fn bare(&self) -> Result<Bare> {
        Bare::start(
            &self.own_binary,
            self.directory.path(),
            &self.workload,
            self.scale.warm_up_messages,
        )
    }
}

/// The two processes of a measurement, started when it is prepared.
#[derive(Default)]
pub struct Pair {
    running: Option<(Product, Bare)>,
}

impl Pair {
    /// Starts both, and warms up the product's database; the bare server does that itself.
    pub fn start(&mut self, bench: &Bench) -> Result<()> {
        let (product, _) = self.running.insert((bench.product()?, bench.bare()?));
        bench.runtime.block_on(async {
            let messages = bench.scale.warm_up_messages;
            bulk::post(product.http().await?, BULK_PATH, messages, |_| 0).await
        })?;
        Ok(())
    }

    /// Both.
    pub fn get(&self) -> Result<(&Product, &Bare)> {
        let (product, bare) = self.running.as_ref().context("it was not prepared")?;
        Ok((product, bare))
    }

    /// Ends both.
    pub fn end(&mut self) -> Result<()> {
        match self.running.take() {
            Some((product, _)) => product.end(),
            None => Ok(()),
        }
    }
}
