//! `fabric-gate schema`: what keys a file may have, for editors and for people.

use clap::{Args, ValueEnum};

use super::{CommandError, ConfigArgument, say};
use crate::config::keys::{GATE_FILE, MEMORY_FILE};
use crate::keys::{self, File};
use crate::policy::{CASES_FILE, POLICY_FILE};

const EXAMPLES: &str = "\
Examples:
  # For an editor: then, in a policy file, `#:schema ./policy.schema.json`
  fabric-gate schema policy > policy.schema.json

  # For config/gate.toml
  fabric-gate schema config > gate.schema.json

  # Every key of config/memory.toml, to read
  fabric-gate schema memory --format markdown";

/// Print the JSON Schema (draft 2020-12) of a kind of file, or its keys as a page.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct SchemaArguments {
    /// Which file.
    #[arg(value_name = "FILE")]
    file: FileKind,
    /// As what.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Json)]
    format: Format,
    // Every command takes it; what keys there are is in the program.
    #[command(flatten)]
    config: ConfigArgument,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FileKind {
    /// Files of a policy folder.
    Policy,
    /// Files of cases beside policies.
    Cases,
    /// The gate's configuration.
    #[value(alias = "gate")]
    Config,
    /// The memory service's configuration.
    Memory,
}

impl FileKind {
    fn file(self) -> &'static File {
        match self {
            Self::Policy => &POLICY_FILE,
            Self::Cases => &CASES_FILE,
            Self::Config => &GATE_FILE,
            Self::Memory => &MEMORY_FILE,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// JSON Schema.
    Json,
    /// A page of tables.
    Markdown,
}

pub(super) fn run(arguments: &SchemaArguments) -> Result<(), CommandError> {
    let file = arguments.file.file();
    match arguments.format {
        Format::Json => {
            let schema = serde_json::to_string_pretty(&keys::schema(file))
                .map_err(|error| CommandError::unusable("the schema can't be written", &error))?;
            say(&schema);
        }
        Format::Markdown => say(keys::page(file).trim_end()),
    }
    Ok(())
}
