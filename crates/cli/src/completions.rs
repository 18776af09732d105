//! How does a shell learn these commands?

use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::out::Out;

pub(crate) const EXAMPLES: &str = "Examples:
  photinus completions bash > ~/.local/share/bash-completion/completions/photinus
  photinus completions zsh > ~/.zfunc/_photinus        # with fpath+=~/.zfunc before compinit
  photinus completions fish > ~/.config/fish/completions/photinus.fish
  source <(photinus completions bash)                  # for this shell only";

/// For which shell.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) async fn run(self, mut whole: clap::Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut whole, "photinus", &mut script);
        let mut out = Out::new();
        out.line(String::from_utf8_lossy(&script).trim_end())
            .await?;
        out.flush().await
    }
}
