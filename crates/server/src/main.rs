//! Where does the process begin?
//!
//! In the library of this crate, so that its parts can be reached without a process.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// See ADR 0016. SQLite keeps the system's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    photinus_server::main()
}
