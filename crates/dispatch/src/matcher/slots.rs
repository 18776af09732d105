//! Where do things stand that come and go?

use std::num::NonZeroU32;

/// The number of a slot, from 1.
pub(super) type Number = NonZeroU32;

/// Things in numbered slots. The number of one that was removed is given again.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Option<Number>,
    len: usize,
}

#[derive(Debug)]
enum Slot<T> {
    Taken(T),
    /// With the next that is free.
    Free(Option<Number>),
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            len: 0,
        }
    }
}

impl<T> Slots<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, thing: T) -> Number {
        self.len += 1;
        let Some(number) = self.free else {
            self.slots.push(Slot::Taken(thing));
            let number = u32::try_from(self.slots.len()).ok();
            let number = number.and_then(Number::new);
            return number.unwrap_or_else(|| unreachable!("there is no memory for so many"));
        };
        let slot = &mut self.slots[index(number)];
        match std::mem::replace(slot, Slot::Taken(thing)) {
            Slot::Free(next) => self.free = next,
            Slot::Taken(_) => unreachable!("what is free is not taken"),
        }
        number
    }

    pub(super) fn remove(&mut self, number: Number) -> T {
        let slot = &mut self.slots[index(number)];
        match std::mem::replace(slot, Slot::Free(self.free)) {
            Slot::Taken(thing) => {
                self.free = Some(number);
                self.len -= 1;
                if self.len == 0 {
                    // What many needed once is not kept for few.
                    *self = Self::default();
                }
                thing
            }
            Slot::Free(_) => unreachable!("it is removed once"),
        }
    }

    pub(super) fn get(&self, number: Number) -> &T {
        match &self.slots[index(number)] {
            Slot::Taken(thing) => thing,
            Slot::Free(_) => unreachable!("it was removed"),
        }
    }

    pub(super) fn get_mut(&mut self, number: Number) -> &mut T {
        match &mut self.slots[index(number)] {
            Slot::Taken(thing) => thing,
            Slot::Free(_) => unreachable!("it was removed"),
        }
    }
}

fn index(number: Number) -> usize {
    number.get() as usize - 1
}
