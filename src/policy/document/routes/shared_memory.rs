//! `shared_memory_write`: `true`, or `{ at = "body:/scope", unless = "user" }`.

use super::extractor;
use crate::policy::document::reader::Fields;
use crate::policy::problem::ProblemKind;
use crate::policy::{Extractor, SharedMemoryWrite};

/// Reads the key.
pub(super) fn shared_memory_write(fields: &Fields<'_>) -> SharedMemoryWrite {
    const KEY: &str = "shared_memory_write";
    if !fields.is_table(KEY) {
        return match fields.flag(KEY, false) {
            true => SharedMemoryWrite::Always,
            false => SharedMemoryWrite::Never,
        };
    }
    let Some(table) = fields.table(KEY) else {
        return SharedMemoryWrite::Always;
    };
    table.require("at");
    table.require("unless");
    let texts = table.one_or_more("at");
    if texts.is_empty() && table.has("at") {
        table.report().add(
            table.place(),
            ProblemKind::NeverMatches,
            "an empty list of places matches nothing",
        );
    }
    let places = texts.into_iter().filter_map(|text| {
        let place = extractor(&table, text)?;
        match place.value {
            Extractor::Path(_)
            | Extractor::Query(_)
            | Extractor::Header(_)
            | Extractor::Body(_)
            | Extractor::Form(_) => Some(place.value),
            Extractor::Event(_) | Extractor::Message(_) | Extractor::Claim(_) => {
                table.report().add(
                    &place.place,
                    ProblemKind::BadValue,
                    "a request says what it writes at `path:`, `query:`, `header:`, `body:` or `form:`",
                );
                None
            }
        }
    });
    let places: Vec<_> = places.collect();
    match table.text("unless") {
        Some(own) => SharedMemoryWrite::Unless {
            places,
            own: own.value.into(),
        },
        None => SharedMemoryWrite::Always,
    }
}
