//! A short list that is copied with the state it is in.

/// A small list without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Few<T, const N: usize> {
    items: [T; N],
    len: usize,
}

impl<T: Copy + Default, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self {
            items: [T::default(); N],
            len: 0,
        }
    }
}

impl<T: Copy + Default, const N: usize> Few<T, N> {
    pub(crate) fn as_slice(&self) -> &[T] {
        &self.items[..self.len]
    }

    pub(crate) fn as_mut(&mut self) -> &mut [T] {
        &mut self.items[..self.len]
    }

    /// A list that is full means that the bounds of a configuration are wrong: nothing is left out in silence.
    pub(crate) fn push(&mut self, item: T) {
        assert!(self.len < N, "a list of the model is too short");
        self.items[self.len] = item;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, at: usize) -> T {
        let gone = self.items[at];
        self.items.copy_within(at + 1..self.len, at);
        self.len -= 1;
        self.items[self.len] = T::default();
        gone
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let mut kept = Self::default();
        for item in self.as_slice().iter().filter(|item| keep(item)) {
            kept.push(*item);
        }
        *self = kept;
    }
}
