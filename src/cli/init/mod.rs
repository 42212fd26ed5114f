//! `fabric-gate init`: a configuration to start from, that serves as it is.

mod files;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{CommandError, output, say};
use crate::identity::development_key::DevelopmentKey;
use crate::policy::profiles::{PROFILES, Profile};
use crate::policy::{PolicyDirectory, compile};
use crate::secret::SecretResolver;
use crate::tenant::{TenantGrammar, TenantId};
use files::{Answers, PlannedFile, planned};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # A gate before a backend on this machine, with tokens by `fabric-gate dev token`
  fabric-gate init --backend http://127.0.0.1:9111

  # Before a LangGraph server, for the callers of an identity provider
  fabric-gate init gate --profile langgraph --backend http://127.0.0.1:2024 --issuer https://login.example.com/

Nothing is overwritten: where one of the files is there already, none is written.")]
pub(super) struct InitArguments {
    /// Where to put config/, policies/ and data/.
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// The known backend it stands before (`fabric-gate profile list`); every path goes to the backend when absent.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The backend: `http://`, `https://` or `unix:/path`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9111")]
    backend: String,
    /// The identity provider whose tokens are taken; a development key on this machine when absent.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// What the provider's tokens are issued for (`aud`).
    #[arg(long, value_name = "TEXT", default_value = "fabric")]
    audience: String,
    /// A tenant to begin with; may be given several times.
    #[arg(long = "tenant", value_name = "ID", default_value = "acme")]
    tenants: Vec<String>,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &InitArguments) -> Result<(), CommandError> {
    let answers = answers(arguments)?;
    let planned = planned(&answers);
    let root = &arguments.directory;
    let there: Vec<String> = planned
        .iter()
        .map(|file| root.join(file.path))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if !there.is_empty() {
        return Err(CommandError::Unusable(format!(
            "{} is there already, and nothing was written: choose another folder, or move it away",
            there.join(", ")
        )));
    }
    judge(&planned)?;
    folder(root, 0o755)?;
    folder(&root.join("data"), 0o700)?;
    for file in &planned {
        write(root, file)?;
    }
    if answers.issuer.is_none() {
        DevelopmentKey::load_or_create(&root.join("data/dev"))
            .map_err(|error| CommandError::unusable("the development key", &error))?;
    }
    tell(arguments, &answers, &planned);
    Ok(())
}

fn answers(arguments: &InitArguments) -> Result<Answers, CommandError> {
    let wrong = CommandError::Unusable;
    let profile = match &arguments.profile {
        None => None,
        Some(name) => Some(Profile::named(name).ok_or_else(|| {
            let known: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
            wrong(format!(
                "there is no profile `{name}`; there are {}",
                known.join(", ")
            ))
        })?),
    };
    let tenants: Vec<TenantId> = arguments
        .tenants
        .iter()
        .map(|text| {
            let parsed = TenantGrammar::default().parse(text);
            parsed.map_err(|error| CommandError::unusable(format!("--tenant `{text}`"), &error))
        })
        .collect::<Result<_, _>>()?;
    let mut token = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut token)
        .map_err(|error| CommandError::unusable("a random admin token", &error))?;
    Ok(Answers {
        profile: profile.map(|profile| profile.name),
        backend: arguments.backend.clone(),
        issuer: arguments.issuer.clone(),
        audience: arguments.audience.clone(),
        tenants,
        admin_token: token.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// What an argument makes wrong is told before anything is written.
fn judge(planned: &[PlannedFile]) -> Result<(), CommandError> {
    let policies = planned.iter().filter_map(|file| {
        let name = file.path.strip_prefix("policies/")?;
        Some((name.to_owned(), file.text.clone()))
    });
    PolicyDirectory::from_texts(Path::new("policies"), policies)
        .and_then(|directory| compile(&directory, &SecretResolver::from_process()))
        .map(drop)
        .map_err(CommandError::Problems)
}

fn folder(path: &Path, mode: u32) -> Result<(), CommandError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| CommandError::unusable(path.display(), &error))
}

fn write(root: &Path, file: &PlannedFile) -> Result<(), CommandError> {
    let path = root.join(file.path);
    if let Some(parent) = path.parent() {
        folder(parent, 0o755)?;
    }
    let mode = if file.secret { 0o600 } else { 0o644 };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
        .and_then(|mut made| made.write_all(file.text.as_bytes()))
        .map_err(|error| CommandError::unusable(path.display(), &error))
}

fn tell(arguments: &InitArguments, answers: &Answers, planned: &[PlannedFile]) {
    let root = fs::canonicalize(&arguments.directory)
        .unwrap_or_else(|_unreadable| arguments.directory.clone());
    let paths: Vec<&str> = planned.iter().map(|file| file.path).collect();
    if arguments.json {
        output::json(&serde_json::json!({ "directory": root, "files": paths }));
        return;
    }
    for path in &paths {
        say(&format!(
            "wrote {}",
            arguments.directory.join(path).display()
        ));
    }
    let tenant = answers.tenants.first().map_or("acme", TenantId::as_str);
    let mut next = vec![format!("cd {}", root.display())];
    next.push("fabric-gate check".to_owned());
    next.push("fabric-gate serve".to_owned());
    if answers.issuer.is_none() {
        next.push(format!(
            "fabric-gate dev token --tenant {tenant} --user alice --role member"
        ));
    }
    say("\nNext:");
    for line in next {
        say(&format!("  {line}"));
    }
}
