//! Who owns what on a backend that never heard of tenants.
//!
//! A session, a task, a thread, a file: the backend hands out ids and serves whoever names one. The
//! [`Registry`] remembers for each id the tenant and user it belongs to, and a request for anybody
//! else's gets the backend's own 404. One id has one owner for as long as the backend may hold what
//! it names: the first who came, decided on disk, whatever a second one does at the same time.
//!
//! | a resource is | by | then |
//! |---|---|---|
//! | unknown | nobody came yet, or it was released | it can be claimed or minted |
//! | owned | claim: a caller's id; mint: a backend's | only its owner's tenant reaches it |
//! | retired | its time is up, or its tenant was erased | nobody reaches it; the backend may mint it anew |

pub mod absence;
pub mod list;

mod cache;
mod page;
mod registry;
mod resource;
mod store;

pub use cache::Invalidation;
pub use page::{Cursor, CursorError, Page};
pub use registry::{Erased, Registry};
pub use resource::{
    MAX_ID_LENGTH, Owner, Ownership, ResourceId, ResourceIdError, ResourceKey, fold_uuid,
};
pub use store::{Counted, Day, Held, OwnershipStore, Place, Resource, Selection, Swept, Taking};
