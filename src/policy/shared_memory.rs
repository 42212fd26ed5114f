//! Which requests write memory that the whole tenant shares.

use std::sync::Arc;

use super::Extractor;

/// Whether requests of a route write shared memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SharedMemoryWrite {
    /// None does.
    #[default]
    Never,
    /// Every one does.
    Always,
    /// Those do that say anything but one word at one of these places. Whatever the backend comes to
    /// call its memories, what is not known to be the caller's own asks for the role.
    Unless {
        /// Where they say it.
        places: Vec<Extractor>,
        /// The word for what is the caller's own.
        own: Arc<str>,
    },
}

impl SharedMemoryWrite {
    /// Where a request has to be looked at.
    pub fn places(&self) -> &[Extractor] {
        match self {
            Self::Never | Self::Always => &[],
            Self::Unless { places, .. } => places,
        }
    }

    /// Whether any request does.
    pub fn may_happen(&self) -> bool {
        match self {
            Self::Never => false,
            Self::Always | Self::Unless { .. } => true,
        }
    }
}
