//! A vector that stands for a text, as its caller computed it.

/// Most dimensions of an embedding.
pub const MAX_DIMENSIONS: usize = 4096;

/// A vector of 1 to [`MAX_DIMENSIONS`] finite numbers that are not all zero, so that it has a
/// direction. All embeddings of one namespace have the same number of dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding(Vec<f32>);

/// Numbers are no embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingError {
    /// None, or too many.
    #[error("an embedding has 1 to {MAX_DIMENSIONS} dimensions, this has {0}")]
    Dimensions(usize),
    /// Not a number, or infinite.
    #[error("an embedding is made of finite numbers")]
    NotFinite,
    /// No direction.
    #[error("an embedding of zeros has no direction")]
    Zero,
    /// The bytes are not a whole number of 32-bit floats.
    #[error("the stored embedding can't be read")]
    Unreadable,
}

impl Embedding {
    /// The embedding of these numbers.
    ///
    /// # Errors
    /// None or more than [`MAX_DIMENSIONS`], one that is not finite, or all of them zero.
    pub fn new(numbers: Vec<f32>) -> Result<Self, EmbeddingError> {
        if numbers.is_empty() || numbers.len() > MAX_DIMENSIONS {
            return Err(EmbeddingError::Dimensions(numbers.len()));
        }
        if !numbers.iter().all(|number| number.is_finite()) {
            return Err(EmbeddingError::NotFinite);
        }
        if numbers.iter().all(|number| *number == 0.0) {
            return Err(EmbeddingError::Zero);
        }
        Ok(Self(numbers))
    }

    /// The embedding whose [`Embedding::to_bytes`] these are.
    ///
    /// # Errors
    /// They are nobody's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EmbeddingError> {
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(EmbeddingError::Unreadable);
        }
        Self::new(numbers.iter().copied().map(f32::from_le_bytes).collect())
    }

    /// Four bytes a dimension, little-endian IEEE 754.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().copied().flat_map(f32::to_le_bytes).collect()
    }

    /// The numbers.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// How many they are.
    pub fn dimensions(&self) -> usize {
        self.0.len()
    }
}

impl<'de> serde::Deserialize<'de> for Embedding {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Embedding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_direction_are_no_embedding() {
        assert_eq!(Embedding::new(vec![]), Err(EmbeddingError::Dimensions(0)));
        assert_eq!(
            Embedding::new(vec![1.0; 4097]),
            Err(EmbeddingError::Dimensions(4097))
        );
        assert_eq!(Embedding::new(vec![0.0, -0.0]), Err(EmbeddingError::Zero));
        assert_eq!(
            Embedding::new(vec![1.0, f32::NAN]),
            Err(EmbeddingError::NotFinite)
        );
        assert!(serde_json::from_str::<Embedding>("[1e39]").is_err());
        assert!(Embedding::new(vec![0.0, 1.0]).is_ok());
    }

    #[test]
    fn an_embeddings_bytes_are_its_own() {
        let embedding = Embedding::new(vec![0.1, -2.5, 3e-39]).unwrap();
        assert_eq!(
            Embedding::from_bytes(&embedding.to_bytes()),
            Ok(embedding.clone())
        );
        assert_eq!(
            Embedding::from_bytes(&[0, 0, 128]),
            Err(EmbeddingError::Unreadable)
        );
    }
}
