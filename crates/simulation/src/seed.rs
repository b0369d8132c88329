//! Random numbers from one seed: the same seed gives the same history.

/// A pseudo-random number generator (SplitMix64): short, and good enough to choose among messages.
#[derive(Debug, Clone)]
pub struct Seed(u64);

impl Seed {
    /// The generator with that seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `most`, both included.
    pub fn up_to(&mut self, most: u64) -> u64 {
        match most.checked_add(1) {
            Some(size) => self.any() % size,
            None => self.any(),
        }
    }

    /// An index into a list of that length; 0 if it is empty.
    pub fn place(&mut self, length: usize) -> usize {
        let last = u64::try_from(length.saturating_sub(1)).unwrap_or(u64::MAX);
        usize::try_from(self.up_to(last)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_does_not() {
        let numbers = |seed| {
            let mut seed = Seed::new(seed);
            (0..8).map(|_| seed.any()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }

    #[test]
    fn every_number_of_a_range_comes_up_and_none_beyond() {
        let mut numbers = Seed::new(7);
        let mut seen = [false; 4];
        for _ in 0..200 {
            seen[usize::try_from(numbers.up_to(3)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!((numbers.up_to(0), numbers.place(0), numbers.place(1)), (0, 0, 0));
        numbers.up_to(u64::MAX);
    }
}
