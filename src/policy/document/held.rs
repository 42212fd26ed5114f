//! Readers held to what is declared of the keys they ask for.

use crate::keys::{Asked, Table};

/// Fails a build with debug assertions, as every test is one, where a reader asks for a key that
/// its table doesn't declare, or for something else than it declares: other words, another range,
/// another type. A release asks nothing.
pub(super) fn hold_against(table: &'static Table, key: &str, asked: &Asked<'_>) {
    debug_assert!(
        table.answers(key, asked),
        "a reader asks for `{key}` as {asked:?}, and the keys of `{}` declare {:?}",
        table.name,
        table.key(key)
    );
    #[cfg(test)]
    super::keys::heard(table, key);
}
