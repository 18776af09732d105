//! Where does the process begin?
//!
//! In the library of this crate, so that its parts can be reached without a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    photinus_server::main()
}
