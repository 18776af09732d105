//! How is something said that is no data?
//!
//! On standard error, in colour if that is a terminal that wants it (`NO_COLOR`, `CLICOLOR`, `TERM`).

use std::io::Write;

use anstyle::{AnsiColor, Style};

pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const WARM: Style = AnsiColor::Yellow.on_default();
pub(crate) const COOL: Style = AnsiColor::Cyan.on_default();

/// One line that is said in passing.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{DIM}{text}{DIM:#}");
}

/// One line that somebody should see.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(anstream::stderr(), "{WARM}{text}{WARM:#}");
}

/// Whether standard error is a terminal, where a progress bar makes sense.
pub(crate) fn on_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}
