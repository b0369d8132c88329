//! Identifiers that differ between the runs of a simulator, because a stack remembers earlier ids.

/// Generates identifiers from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    seed: u64,
    made: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, made: 0 }
    }

    /// `SplitMix64`: well distributed, and the same for the same seed.
    fn next(&mut self) -> u64 {
        self.made += 1;
        let mut bits = self.seed.wrapping_add(self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A short id of lower-case letters and digits, like those of Voltus.
    pub(crate) fn short(&mut self) -> String {
        let mut bits = self.next();
        let letter = |digit: u64| char::from_digit(u32::try_from(digit).unwrap_or_default(), 36).unwrap_or('0');
        (0..9)
            .map(|_| {
                let digit = bits % 36;
                bits /= 36;
                letter(digit)
            })
            .collect()
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let (high, low) = (high & !0xf000 | 0x4000, low & !(0b11 << 62) | (0b10 << 62));
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_within_a_run_and_between_runs_and_are_the_same_for_the_same_seed() {
        let (mut one, mut two, mut again) = (Ids::new(1), Ids::new(2), Ids::new(1));
        let (first, second, third) = (one.short(), one.short(), two.short());
        assert!(first != second && first != third && first == again.short());
        let uuid = one.uuid();
        assert_eq!((uuid.len(), &uuid[14..15], uuid.matches('-').count()), (36, "4", 4));
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"), "{uuid}");
    }
}
