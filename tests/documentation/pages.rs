//! The pages and what stands in them.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of a page.
#[derive(Clone, Debug)]
pub struct Block {
    /// The page.
    pub page: PathBuf,
    /// The line of its fence, from 1.
    pub line: usize,
    /// The last heading above it, without its marks.
    pub heading: String,
    /// What stands behind the fence.
    pub info: String,
    /// What stands between the fences, without the indentation of the first.
    pub text: String,
}

impl Block {
    /// The page below the root, and the line.
    pub fn place(&self) -> String {
        let page = self.page.strip_prefix(root()).unwrap_or(&self.page);
        format!("{}:{}", page.display(), self.line)
    }
}

/// The folder of the package.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every page that users read: those of the root but the list of changes, and all below `docs/`.
pub fn all() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in ["README.md", "CONTRIBUTING.md", "SECURITY.md"] {
        found.push(root().join(name));
    }
    below(&root().join("docs"), &mut found);
    found.sort();
    found
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The blocks of every page.
pub fn blocks() -> Vec<Block> {
    all().iter().flat_map(|page| blocks_of(page)).collect()
}

/// The blocks of one page, in their order. A fence may be indented, as it is in a list.
///
/// # Panics
/// The page can't be read, or ends inside a block.
pub fn blocks_of(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page)
        .unwrap_or_else(|error| panic!("{} can't be read: {error}", page.display()));
    let mut blocks = Vec::new();
    let mut heading = String::new();
    let mut open: Option<(usize, Block)> = None;
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        match (bare.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                let block = Block {
                    page: page.to_owned(),
                    line: index + 1,
                    heading: heading.clone(),
                    info: info.to_owned(),
                    text: String::new(),
                };
                open = Some((line.len() - bare.len(), block));
            }
            (Some(_), Some((_, block))) => blocks.push(block),
            (None, Some((indent, mut block))) => {
                let indented = line.bytes().take_while(|byte| *byte == b' ').count();
                block.text.push_str(&line[indented.min(indent)..]);
                block.text.push('\n');
                open = Some((indent, block));
            }
            (None, None) => {
                if line.starts_with('#') {
                    line.trim_start_matches('#').trim().clone_into(&mut heading);
                }
            }
        }
    }
    assert!(open.is_none(), "{} ends inside a block", page.display());
    blocks
}

/// The blocks of every page that say exactly this behind their fence.
///
/// # Panics
/// There is none.
pub fn with_info(info: &str) -> Vec<Block> {
    let found: Vec<Block> = blocks()
        .into_iter()
        .filter(|block| block.info == info)
        .collect();
    assert!(
        !found.is_empty(),
        "no page has a block of `{info}`: is it still looked for right?"
    );
    found
}

/// The lines of a page that stand in no block, with their numbers.
pub fn prose(page: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(page).unwrap();
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((index + 1, line.to_owned()));
        }
    }
    lines
}
