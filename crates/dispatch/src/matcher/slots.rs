//! Where do things stand that come and go?

/// Things in numbered slots. The number of one that was removed is given again.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Option<u32>,
    len: usize,
}

#[derive(Debug)]
enum Slot<T> {
    Taken(T),
    /// With the next that is free.
    Free(Option<u32>),
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

    pub(super) fn insert(&mut self, thing: T) -> u32 {
        self.len += 1;
        let Some(number) = self.free else {
            let number = u32::try_from(self.slots.len());
            self.slots.push(Slot::Taken(thing));
            return number.unwrap_or_else(|_| unreachable!("there is no memory for so many"));
        };
        let slot = &mut self.slots[number as usize];
        match std::mem::replace(slot, Slot::Taken(thing)) {
            Slot::Free(next) => self.free = next,
            Slot::Taken(_) => unreachable!("what is free is not taken"),
        }
        number
    }

    pub(super) fn remove(&mut self, number: u32) -> T {
        let slot = &mut self.slots[number as usize];
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

    pub(super) fn get(&self, number: u32) -> &T {
        match &self.slots[number as usize] {
            Slot::Taken(thing) => thing,
            Slot::Free(_) => unreachable!("it was removed"),
        }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        match &mut self.slots[number as usize] {
            Slot::Taken(thing) => thing,
            Slot::Free(_) => unreachable!("it was removed"),
        }
    }
}
