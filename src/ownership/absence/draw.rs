//! Where the letters of made-up ids come from.

use blake3::OutputReader;

/// A secret of this process, and what follows from it: who does not know it can't tell what is drawn.
#[derive(Clone)]
pub(super) struct Secret([u8; 32]);

impl Secret {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// What is drawn for these texts; the same for the same ones, and for no others.
    pub(super) fn draw(&self, texts: &[&[u8]]) -> Draw {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for text in texts {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        Draw(hasher.finalize_xof())
    }
}

/// An endless row of unpredictable bytes.
pub(super) struct Draw(OutputReader);

impl Draw {
    /// A number below `limit`; 0 where that is 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(limit).unwrap_or(0)
    }

    /// One of these letters; a `0` where there is none.
    pub(super) fn letter(&mut self, of: &str) -> char {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        of.as_bytes()
            .get(at)
            .map_or('0', |letter| char::from(*letter))
    }
}
