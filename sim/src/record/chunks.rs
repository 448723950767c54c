//! A list that grows by fixed chunks, so that it never holds more than one chunk of unused memory.

/// Entries per chunk.
const CHUNK: usize = 512;

/// An append-only list.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    full: Vec<Vec<T>>,
    last: Vec<T>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            full: Vec::new(),
            last: Vec::new(),
        }
    }
}

impl<T> Chunks<T> {
    /// Appends `entry`.
    pub fn push(&mut self, entry: T) {
        if self.last.len() == CHUNK {
            self.full.push(std::mem::take(&mut self.last));
        }
        if self.last.capacity() == 0 {
            self.last.reserve_exact(CHUNK);
        }
        self.last.push(entry);
    }

    /// The entries in the order in which they were appended.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.full.iter().flatten().chain(&self.last)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.full.len() * CHUNK + self.last.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty() && self.full.is_empty()
    }

    /// Bytes that the entries take, what is reserved for further ones not counted.
    pub fn bytes(&self) -> usize {
        self.len() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_across_chunks() {
        let mut chunks = Chunks::default();
        assert!(chunks.is_empty());
        for n in 0..(3 * CHUNK as u64 + 7) {
            chunks.push(n);
        }
        assert_eq!(chunks.len(), 3 * CHUNK + 7);
        assert_eq!(chunks.bytes(), 8 * chunks.len());
        assert!(chunks.iter().copied().eq(0..chunks.len() as u64));
    }
}
