//! Which places of the log are settled above the offset?

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Ranges of places that neither overlap nor touch: what is put in between two makes one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ranges(BTreeMap<i64, i64>);

impl Ranges {
    /// Puts a range in. What is there already may lie in it.
    pub(crate) fn insert(&mut self, range: RangeInclusive<i64>) {
        let (mut start, mut end) = range.into_inner();
        // Whatever begins no later than just behind it and reaches it becomes one with it.
        while let Some((&other_start, &other_end)) =
            self.0.range(..=end.saturating_add(1)).next_back()
            && other_end >= start.saturating_sub(1)
        {
            self.0.remove(&other_start);
            start = start.min(other_start);
            end = end.max(other_end);
        }
        self.0.insert(start, end);
    }

    pub(crate) fn contains(&self, place: i64) -> bool {
        let below = self.0.range(..=place).next_back();
        below.is_some_and(|(_, &end)| place <= end)
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The last place.
    pub(crate) fn end(&self) -> Option<i64> {
        self.0.last_key_value().map(|(_, &end)| end)
    }

    /// Forgets everything up to this place.
    pub(crate) fn forget_to(&mut self, place: i64) {
        let cut = self.0.range(..=place).next_back().map(|(_, &end)| end);
        self.0 = self.0.split_off(&place.saturating_add(1));
        if let Some(end) = cut.filter(|end| *end > place) {
            self.0.insert(place + 1, end);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = RangeInclusive<i64>> {
        self.0.iter().map(|(&start, &end)| start..=end)
    }
}

impl FromIterator<RangeInclusive<i64>> for Ranges {
    fn from_iter<T: IntoIterator<Item = RangeInclusive<i64>>>(ranges: T) -> Self {
        let mut all = Self::default();
        for range in ranges {
            all.insert(range);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_a_set_of_places_in_few_pieces(
            steps in prop::collection::vec((0i64..40, 0i64..6, prop::option::of(0i64..45)), 0..30),
        ) {
            let mut ranges = Ranges::default();
            let mut places = BTreeSet::new();
            for (start, more, forget) in steps {
                ranges.insert(start..=start + more);
                places.extend(start..=start + more);
                if let Some(to) = forget {
                    ranges.forget_to(to);
                    places.retain(|place| *place > to);
                }
                let all: BTreeSet<i64> = ranges.iter().flatten().collect();
                prop_assert_eq!(&all, &places);
                prop_assert_eq!((ranges.end(), ranges.len()), (places.last().copied(), ranges.iter().count()));
                prop_assert!((0..50).all(|place| ranges.contains(place) == places.contains(&place)));
                let apart = ranges.iter().zip(ranges.iter().skip(1));
                prop_assert!(apart.into_iter().all(|(one, next)| *one.end() + 1 < *next.start()));
            }
        }
    }
}
