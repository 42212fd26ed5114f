//! A directory as the tool shows it: two levels, sizes, no hidden names.

use std::collections::BTreeMap;

/// Levels that are shown.
const LEVELS: usize = 2;

/// What stands below a directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    bytes: u64,
    shown: BTreeMap<Vec<String>, Shown>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    bytes: u64,
    is_directory: bool,
}

impl Listing {
    /// Adds a file. `names` leads to it from the directory.
    pub(super) fn add(&mut self, names: &[&str], bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if names.iter().any(|name| name.starts_with('.')) {
            return;
        }
        for level in 1..=names.len().min(LEVELS) {
            let place = names.iter().take(level).map(|name| (*name).to_owned());
            let shown = self.shown.entry(place.collect()).or_default();
            shown.bytes = shown.bytes.saturating_add(bytes);
            shown.is_directory |= level < names.len();
        }
    }

    /// The lines, each a size and a path that begins with `directory`.
    pub(super) fn text(&self, directory: &str) -> String {
        let mut text = format!(
            "Here're the files and directories up to 2 levels deep in {directory}, excluding hidden items:\n{}\t{directory}",
            size(self.bytes)
        );
        for (place, shown) in &self.shown {
            let slash = if shown.is_directory { "/" } else { "" };
            let place = place.join("/");
            text.push_str(&format!(
                "\n{}\t{directory}/{place}{slash}",
                size(shown.bytes)
            ));
        }
        text
    }
}

/// A size as people write it: `0B`, `512B`, `1.5K`, `4M`.
fn size(bytes: u64) -> String {
    let units = ["B", "K", "M", "G"];
    let mut unit = 0;
    let mut scale = 1_u64;
    while bytes / scale >= 1024 && unit + 1 < units.len() {
        scale *= 1024;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    if bytes.is_multiple_of(scale) {
        return format!("{}{name}", bytes / scale);
    }
    let (whole, scale) = (u128::from(bytes) * 10, u128::from(scale));
    let (mut tenths, rest) = (whole / scale, whole % scale * 2);
    // Half is rounded to even, as everybody's `%.1f` does.
    if rest > scale || (rest == scale && !tenths.is_multiple_of(2)) {
        tenths += 1;
    }
    format!("{}.{}{name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [
            0,
            1,
            1023,
            1024,
            1536,
            1 << 20,
            (1 << 30) * 5,
            1100,
            1280,
            1408,
        ];
        let texts: Vec<_> = sizes.into_iter().map(size).collect();
        assert_eq!(
            texts,
            [
                "0B", "1B", "1023B", "1K", "1.5K", "1M", "5G", "1.1K", "1.2K", "1.4K"
            ]
        );
    }

    #[test]
    fn two_levels_are_shown_and_what_is_below_counts_for_its_directory() {
        let mut listing = Listing::default();
        listing.add(&["a.md"], 10);
        listing.add(&["notes", "x.md"], 20);
        listing.add(&["notes", "deep", "y.md"], 30);
        listing.add(&[".hidden", "z"], 5);
        assert_eq!(
            listing.text("/memories"),
            "Here're the files and directories up to 2 levels deep in /memories, excluding hidden items:\n\
             65B\t/memories\n\
             10B\t/memories/a.md\n\
             50B\t/memories/notes/\n\
             30B\t/memories/notes/deep/\n\
             20B\t/memories/notes/x.md"
        );
    }
}
