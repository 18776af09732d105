//! Which single deliveries wait for an answer?

use std::collections::VecDeque;

use photinus_contract::Sequence;

/// The deliveries that are in flight, by number. Numbers rise, and nearly always the oldest is answered next: so it is
/// a queue, of which also the middle can be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Unanswered(VecDeque<(u64, Sequence)>);

impl Unanswered {
    pub(crate) fn push(&mut self, number: u64, sequence: Sequence) {
        if let Some((last, _)) = self.0.back() {
            assert!(*last < number, "numbers rise");
        }
        self.0.push_back((number, sequence));
    }

    pub(crate) fn get(&self, number: u64) -> Option<Sequence> {
        let (_, sequence) = self.0.get(self.place(number)?)?;
        Some(*sequence)
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<Sequence> {
        let (_, sequence) = self.0.remove(self.place(number)?)?;
        Some(sequence)
    }

    /// Takes this one and all that were handed over after it; nothing if it is not there.
    pub(crate) fn remove_from(&mut self, number: u64) -> VecDeque<(u64, Sequence)> {
        match self.place(number) {
            Some(place) => self.0.split_off(place),
            None => VecDeque::new(),
        }
    }

    /// All, the oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, Sequence)> {
        self.0.iter().copied()
    }

    pub(crate) fn first(&self) -> Option<(u64, Sequence)> {
        self.0.front().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn place(&self, number: u64) -> Option<usize> {
        match self.first()? {
            (first, _) if first == number => Some(0),
            _ => self.0.binary_search_by_key(&number, |(n, _)| *n).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_taken_from_the_front_the_middle_and_the_end() {
        let mut unanswered = Unanswered::default();
        for number in [3, 4, 6, 7, 9] {
            unanswered.push(number, Sequence(number as i64 * 10));
        }
        assert_eq!(unanswered.remove(3), Some(Sequence(30)));
        assert_eq!(unanswered.remove(5), None);
        assert_eq!(unanswered.get(6), Some(Sequence(60)));
        assert_eq!(unanswered.remove(6), Some(Sequence(60)));
        assert!(unanswered.remove_from(6).is_empty());
        assert_eq!(
            unanswered.remove_from(7),
            [(7, Sequence(70)), (9, Sequence(90))]
        );
        assert_eq!(
            (unanswered.first(), unanswered.len()),
            (Some((4, Sequence(40))), 1)
        );
    }
}
