//! How does what most have not take little room?

/// A `T` that is mostly as it was in the beginning: then it takes a word and no more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rare<T>(Option<Box<T>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Default + PartialEq> Rare<T> {
    /// A thing; one that is as in the beginning is not kept.
    pub(crate) fn new(thing: T) -> Self {
        let mut rare = Self::default();
        rare.change(|kept| *kept = thing);
        rare
    }

    /// The thing, unless it is as in the beginning.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// Changes it. As it was in the beginning, it takes no room again.
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut thing = self.0.take().unwrap_or_default();
        let result = change(&mut thing);
        self.0 = Some(thing).filter(|thing| **thing != T::default());
        result
    }

    /// Changes it, if it is not as in the beginning.
    pub(crate) fn change_if_any<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.is_some().then(|| self.change(change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_in_the_beginning_again_takes_no_room() {
        let mut rare = Rare::new(Vec::new());
        assert_eq!(rare, Rare::default());
        assert_eq!(rare.change_if_any(|_| ()), None);
        rare.change(|list| list.push(1));
        rare.change(|list| list.push(2));
        assert_eq!(rare.get(), Some(&vec![1, 2]));
        assert_eq!(rare.change(|list| list.pop()), Some(2));
        assert_eq!(rare.change_if_any(Vec::pop), Some(Some(1)));
        assert_eq!(rare.get(), None);
    }
}
