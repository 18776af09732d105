//! Where does the process begin?
//!
//! In the library of this crate, so that the tests reach its parts.

use std::process::ExitCode;

fn main() -> ExitCode {
    photinus_bench::cli::main()
}
