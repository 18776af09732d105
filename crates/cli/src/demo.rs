//! demo
use crate::failure::Failure;
use clap::Args;
/// How the demonstration runs.
#[derive(Debug, Args)]
pub struct Demo {}
impl Demo {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        Ok(())
    }
}
