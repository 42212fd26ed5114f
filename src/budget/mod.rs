//! What may be spent: money is reserved before a backend is asked and settled after.
//!
//! A [`Ceiling`] is the most that may be spent over a window, by everybody it is about taken
//! together. What was spent and what is reserved for requests under way never pass it: a request
//! whose upper bound does not fit is refused before its backend hears of it. How many requests may
//! ask, and how many at a time, is for [`limits`].

mod ceiling;
pub mod estimate;
pub mod later;
pub mod ledger;
pub mod limits;
pub mod models;
pub mod prices;
mod spend;
mod statement;
mod sync;
mod window;

pub use ceiling::{Ceiling, CeilingScope, Spender, Window};
pub use ledger::{Ledger, LedgerSettings, Reservation, ReserveError};
pub use spend::{spend_document, spend_line, spend_table};
pub use statement::{
    Share, StatementFormat, StatementHead, StatementWriter, Totals, write_statement,
};
pub use window::WindowError;
