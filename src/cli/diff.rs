//! `fabric-gate diff`: two policy directories compared, in words.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{CommandError, output, say};
use crate::identity::settings::KeySource;
use crate::policy::difference::{differences, render};
use crate::policy::{PolicyDirectory, PolicySnapshot, compile};
use crate::secret::SecretResolver;

/// Exit code 0 where both say the same, 1 where they do not, 2 where one can't be read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Before a change is put in force
  fabric-gate diff policies next/policies

  # What it opens, for a program
  fabric-gate diff policies next/policies --json | jq '.differences[] | select(.risk == \"opens\")'

  # What a branch changes, in a checkout of main beside it
  fabric-gate diff ../main/policies policies")]
pub(super) struct DiffArguments {
    /// The policies as they are.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policies as they are to be.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DiffArguments) -> Result<(), CommandError> {
    let (old, new) = (compiled(&arguments.old)?, compiled(&arguments.new)?);
    let found = differences(&old, &new);
    if arguments.json {
        let document = json!({
            "same": found.is_empty(),
            "old": old.revision.as_str(),
            "new": new.revision.as_str(),
            "differences": found,
        });
        output::json(&document);
    } else {
        say(&render(&found));
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(CommandError::Bad(String::new())),
    }
}

fn compiled(directory: &Path) -> Result<PolicySnapshot, CommandError> {
    let mut snapshot = PolicyDirectory::read(directory)
        .and_then(|files| compile(&files, &SecretResolver::from_process()))
        .map_err(CommandError::Problems)?;
    // The same file beside two directories is no difference between what they say.
    for issuer in &mut snapshot.issuers {
        if let KeySource::File(path) = &mut issuer.keys
            && let Ok(within) = path.strip_prefix(directory)
        {
            *path = within.to_owned();
        }
    }
    Ok(snapshot)
}
