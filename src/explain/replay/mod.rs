//! Recorded requests, asked of other policies; and what rules in shadow mode would have refused.
//!
//! A record holds who called which route by which method, and the tool and the model that were asked
//! for. So roles, scopes, rules, tenants, routes and models can be judged again. It holds neither
//! bodies nor whole paths, so what those decided (ownership, tenants named twice, sizes) and what the
//! moment decided (limits, ceilings) can't: such a refusal is counted as not judged, unless the other
//! policies refuse the request before.

mod judge;
mod record;
mod report;
mod shadow;
mod tally;

pub use judge::{After, Judge};
pub use record::Recorded;
pub use report::{render, render_shadow};
pub use shadow::{RuleHits, ShadowReport, shadow};
pub use tally::{Change, Example, Group, ReplayReport, replay};
