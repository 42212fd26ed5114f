//! How alike two embeddings are.

use crate::memory::Embedding;

/// Sums are kept side by side so that they can be done at once; which sum a number goes to depends
/// on its place only, so the result is the same on every machine.
const LANES: usize = 16;

/// The direction of an embedding that others are compared with.
#[derive(Clone, Debug)]
pub struct Direction {
    /// The embedding at a length of 1.
    unit: Vec<f32>,
}

impl Direction {
    /// The direction of an embedding.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a number divided by the length of its vector is at most 1"
    )]
    pub fn of(embedding: &Embedding) -> Self {
        let numbers = || embedding.as_slice().iter().copied().map(f64::from);
        // In 64 bits no square of a 32-bit number is too large or lost.
        let length = numbers().map(|number| number * number).sum::<f64>().sqrt();
        let unit = numbers().map(|number| (number / length) as f32).collect();
        Self { unit }
    }

    /// The cosine of the angle to another embedding, -1 to 1; `None` if that has another number of
    /// dimensions.
    pub fn cosine(&self, other: &Embedding) -> Option<f64> {
        self.cosine_to_bytes(&other.to_bytes())
    }

    /// The cosine of the angle to an embedding as it is kept ([`Embedding::to_bytes`]), without
    /// making one; `None` if the bytes are no embedding of as many dimensions.
    pub fn cosine_to_bytes(&self, bytes: &[u8]) -> Option<f64> {
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || numbers.len() != self.unit.len() {
            return None;
        }
        let (product, square) = product_and_square(&self.unit, numbers);
        let cosine = if square.is_normal() {
            f64::from(product) / f64::from(square).sqrt()
        } else {
            self.cosine_in_64_bits(numbers)
        };
        (!cosine.is_nan()).then(|| cosine.clamp(-1.0, 1.0))
    }

    /// For vectors so long or so short that their squares leave 32 bits. No number comes out if one
    /// goes in, or if all are zero.
    fn cosine_in_64_bits(&self, numbers: &[[u8; 4]]) -> f64 {
        let (mut product, mut square) = (0.0, 0.0);
        for (unit, number) in self.unit.iter().zip(numbers) {
            let number = f64::from(f32::from_le_bytes(*number));
            product += f64::from(*unit) * number;
            square += number * number;
        }
        product / f64::sqrt(square)
    }
}

/// A cosine as a relevance, 0 to 1: what stands at a right angle or points away has none.
pub fn relevance(cosine: f64) -> f64 {
    cosine.clamp(0.0, 1.0)
}

/// The dot product, and the square of the length of the second.
fn product_and_square(one: &[f32], other: &[[u8; 4]]) -> (f32, f32) {
    let mut products = [0.0_f32; LANES];
    let mut squares = [0.0_f32; LANES];
    let (ones, one_rest) = one.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    let mut add = |one: &[f32], other: &[[u8; 4]]| {
        let sums = products.iter_mut().zip(squares.iter_mut());
        for (((product, square), a), b) in sums.zip(one).zip(other) {
            let b = f32::from_le_bytes(*b);
            *product += a * b;
            *square += b * b;
        }
    };
    for (one, other) in ones.iter().zip(others) {
        add(one, other);
    }
    add(one_rest, other_rest);
    (products.iter().sum(), squares.iter().sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn embedding(numbers: &[f32]) -> Embedding {
        Embedding::new(numbers.to_vec()).unwrap()
    }

    #[test]
    fn the_cosine_tells_the_angle_and_not_the_length() {
        let east = Direction::of(&embedding(&[3.0, 0.0]));
        for (other, cosine) in [
            ([100.0, 0.0], 1.0),
            ([0.0, 2.0], 0.0),
            ([-0.1, 0.0], -1.0),
            ([1.0, 1.0], std::f64::consts::FRAC_1_SQRT_2),
            ([1e-45, 1e-45], std::f64::consts::FRAC_1_SQRT_2),
            ([3e38, 3e38], std::f64::consts::FRAC_1_SQRT_2),
        ] {
            let found = east.cosine(&embedding(&other)).unwrap();
            assert!((found - cosine).abs() < 1e-6, "{other:?}: {found}");
        }
    }

    #[test]
    fn another_dimension_or_bytes_of_no_embedding_have_no_cosine() {
        let two = Direction::of(&embedding(&[1.0, 2.0]));
        assert!(
            two.cosine_to_bytes(&embedding(&[1.0, 0.0]).to_bytes())
                .is_some()
        );
        assert_eq!(two.cosine(&embedding(&[1.0])), None);
        assert_eq!(two.cosine_to_bytes(&[0; 7]), None);
        assert_eq!(two.cosine_to_bytes(&[0; 8]), None, "all zero");
        assert_eq!(two.cosine_to_bytes(&[0xff; 8]), None, "no numbers");
    }

    proptest! {
        #[test]
        fn a_cosine_is_the_one_worked_out_in_64_bits(
            pairs in prop::collection::vec((-1e3_f32..1e3, -1e3_f32..1e3), 1..70),
        ) {
            let (one, other): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let exact = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let expected = exact(&one, &other) / (exact(&one, &one) * exact(&other, &other)).sqrt();
            let (Ok(one), Ok(other)) = (Embedding::new(one), Embedding::new(other)) else {
                return Ok(());
            };
            let cosine = Direction::of(&one).cosine(&other).unwrap();
            prop_assert!((cosine - expected).abs() < 1e-5, "{} {}", cosine, expected);
            prop_assert!((-1.0..=1.0).contains(&cosine));
        }
    }
}
