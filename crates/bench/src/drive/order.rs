//! Did everything come that had to, once and in order?

use anyhow::{Result, bail};

/// Holds what comes of one subscription against what has to come.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    expected: &'a [u64],
    next: usize,
}

impl<'a> Order<'a> {
    /// These sequences have to come.
    pub fn new(expected: &'a [u64]) -> Self {
        Self { expected, next: 0 }
    }

    /// This one came.
    pub fn came(&mut self, sequence: u64) -> Result<()> {
        match self.expected.get(self.next) {
            Some(expected) if *expected == sequence => {
                self.next += 1;
                Ok(())
            }
            Some(expected) => bail!(
                "sequence {sequence} came when it was the turn of {expected}: lost, repeated or out of order"
            ),
            None => bail!("sequence {sequence} came after the last one"),
        }
    }

    /// Whether all came.
    pub fn is_complete(&self) -> bool {
        self.next == self.expected.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(came: &[u64]) -> Result<bool> {
        let mut order = Order::new(&[3, 5, 6]);
        for sequence in came {
            order.came(*sequence)?;
        }
        Ok(order.is_complete())
    }

    #[test]
    fn what_is_lost_repeated_or_out_of_order_fails_the_measurement() {
        assert!(check(&[3, 5, 6]).unwrap());
        assert!(!check(&[3, 5]).unwrap(), "not complete");
        for came in [&[3, 6][..], &[3, 3], &[5], &[3, 5, 6, 7]] {
            assert!(check(came).is_err(), "{came:?}");
        }
    }
}
