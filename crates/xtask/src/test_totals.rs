//! How many tests of all binaries together passed?

use std::fmt;

/// The sum of the closing lines that cargo's test binaries print.
#[derive(Default)]
pub(crate) struct TestTotals {
    binaries: u32,
    passed: u64,
    failed: u64,
}

impl TestTotals {
    /// Takes one line of output; lines other than a closing line change nothing.
    pub(crate) fn read(&mut self, line: &str) {
        let Some(counts) = line.trim_start().strip_prefix("test result: ") else {
            return;
        };
        // `ok. 3 passed; 0 failed; 0 ignored; …`
        let count = |what: &str| -> u64 {
            let words: Vec<&str> = counts.split([' ', ';']).collect();
            words
                .windows(2)
                .find(|pair| pair[1] == what)
                .and_then(|pair| pair[0].parse().ok())
                .unwrap_or(0)
        };
        self.binaries += 1;
        self.passed += count("passed");
        self.failed += count("failed");
    }

    /// Whether any test binary has finished.
    pub(crate) fn is_any(&self) -> bool {
        self.binaries > 0
    }
}

impl fmt::Display for TestTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_add_up_and_other_lines_do_not_count() {
        let mut totals = TestTotals::default();
        assert!(!totals.is_any());
        for line in [
            "running 2 tests",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.10s",
            "test a_line_that_says_5_passed ... ok",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            totals.read(line);
        }
        assert!(totals.is_any());
        assert_eq!(totals.to_string(), "13 passed, 2 failed");
    }
}
