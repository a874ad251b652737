//! Random choices for tests: the same in every run.

/// xorshift64*.
pub struct Random(u64);

impl Random {
    /// The choices that belong to a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    /// Whether one of so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of a choice.
    pub fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[usize::try_from(self.below(choice.len() as u64)).expect("small")]
    }

    /// Pieces in a row, at most so many.
    pub fn text(&mut self, pieces: &[&str], most: u64) -> String {
        (0..self.below(most + 1)).map(|_| self.of(pieces)).collect()
    }

    /// Any text of at most so many characters, most of them of ASCII.
    pub fn any_text(&mut self, most: u64) -> String {
        let bound = |random: &mut Self| random.of(&[0x80, 0x80, 0x80, 0x100, 0x3000, 0x11_0000]);
        (0..self.below(most + 1))
            .filter_map(|_| {
                let bound = bound(self);
                char::from_u32(u32::try_from(self.below(bound)).expect("small"))
            })
            .collect()
    }

    /// At most so many bytes.
    pub fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| u8::try_from(self.below(256)).expect("a byte")).collect()
    }
}
