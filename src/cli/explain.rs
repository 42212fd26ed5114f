//! `fabric-gate explain`: what would become of a request, asked without sending it.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use super::{CommandError, ConfigArgument, say};
use crate::budget::models::settings::{LlmSettingsStore, TenantSettings};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, StateLocation};
use crate::explain::{
    Described, DescribedCaller, Explanation, Sources, StandInParts, explain, render, stand_in,
};
use crate::identity::jwks::{JwksSettings, KeySetRegistry};
use crate::ownership::{OwnershipStore, Registry};
use crate::pipeline::{CredentialHandles, GateSettings};
use crate::policy::{PolicyDirectory, compile};
use crate::secret::SecretResolver;
use crate::state::{MemoryStore, ReadOnlyStore};

/// Exit code 0 where the request would pass, 1 where it would be refused, 2 where it can't be asked.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Somebody who is described
  fabric-gate explain --tenant acme --user alice --role member GET /sessions/s-1

  # Whom a token stands for, with a body
  fabric-gate explain --token-file token.txt --body '{\"model\":\"gpt-4o\"}' POST /v1/chat/completions

  # For a program
  fabric-gate explain --tenant acme --user ci --kind machine --json DELETE /tasks/7 | jq .steps")]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Tenant of the caller; without one, the credential in the headers is judged.
    #[arg(long, value_name = "TENANT", requires = "user")]
    tenant: Option<String>,
    /// The caller.
    #[arg(long, value_name = "USER", requires = "tenant")]
    user: Option<String>,
    /// A role of the caller; may be given several times.
    #[arg(long = "role", value_name = "ROLE", requires = "tenant")]
    roles: Vec<String>,
    /// A scope of the caller; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE", requires = "tenant")]
    scopes: Vec<String>,
    /// What kind of caller.
    #[arg(long, value_name = "KIND", value_parser = ["user", "machine"], requires = "tenant")]
    kind: Option<String>,
    /// Claims of the caller's token that routes name as places of ids: a JSON object.
    #[arg(long, value_name = "JSON", requires = "tenant")]
    claims: Option<String>,
    /// A header field, `Name: value`; may be given several times.
    #[arg(long = "header", short = 'H', value_name = "FIELD")]
    headers: Vec<String>,
    /// A file with the caller's token.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tenant", "token_stdin"])]
    token_file: Option<PathBuf>,
    /// Read the caller's token from standard input.
    #[arg(long, conflicts_with = "tenant")]
    token_stdin: bool,
    /// The body: JSON, a file, or `-` for standard input.
    #[arg(long, value_name = "BODY")]
    body: Option<String>,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
    /// The method.
    #[arg(value_name = "METHOD")]
    method: String,
    /// Path and query.
    #[arg(value_name = "PATH")]
    path: String,
}

pub(super) fn run(arguments: &ExplainArguments) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let described = described(arguments)?;
    let runtime = super::runtime()?;
    let told = runtime.block_on(ask(&config, &described))?;
    if arguments.json {
        let document = serde_json::to_string(&told);
        say(&document.map_err(|error| CommandError::unusable("the answer", &error))?);
    } else {
        say(&render(&told));
    }
    match told.permits() {
        true => Ok(()),
        false => Err(CommandError::Bad(String::new())),
    }
}

async fn ask(config: &Config, described: &Described) -> Result<Explanation, CommandError> {
    let clock: SharedClock = Arc::new(SystemClock);
    let files = PolicyDirectory::read(&config.policies_directory);
    let snapshot = files
        .and_then(|files| compile(&files, &SecretResolver::from_process()))
        .map_err(CommandError::Problems)?;
    let (owners, choices, has_state) = state(config)?;
    let models = TenantSettings::new(choices);
    if has_state {
        let known = models.refresh().await;
        known.map_err(|error| CommandError::unusable("[state]", &error))?;
    }
    let runtime = tokio::runtime::Handle::current();
    let keys = match &described.caller {
        Some(_) => None,
        None => Some(
            KeySetRegistry::new(runtime.clone(), JwksSettings::default(), Arc::clone(&clock))
                .map_err(|error| CommandError::unusable("the issuers' keys", &error))?,
        ),
    };
    let ledger = match config.state.location.ledger().is_dir() {
        true => Some(super::serve::ledger(config, Arc::clone(&clock))?),
        false => None,
    };
    let parts = StandInParts {
        settings: GateSettings {
            tenant_header_required: config.tenant_header_forced,
            on_loopback: config.listens_on_loopback(),
            hosts: config.listen.hosts.clone(),
        },
        registry: Registry::new(owners, Arc::clone(&clock), 1),
        ledger: ledger.clone(),
        models,
        handles: CredentialHandles::new(&config.secrets_directory),
        clock,
        runtime,
        keys,
    };
    let sources = Sources {
        owners: has_state,
        spend: ledger.is_some(),
    };
    let gate = stand_in(parts, snapshot)
        .map_err(|error| CommandError::unusable("the policies", &error))?;
    let told = explain(&gate, described, sources).await;
    if let Some(ledger) = ledger {
        ledger.close();
    }
    told.map_err(|error| CommandError::Unusable(error.to_string()))
}

type State = (Arc<dyn OwnershipStore>, Arc<dyn LlmSettingsStore>, bool);

/// The state as it is, if there is any.
fn state(config: &Config) -> Result<State, CommandError> {
    let StateLocation::Sqlite(path) = &config.state.location;
    if !path.is_file() {
        let empty = Arc::new(MemoryStore::default());
        return Ok((empty.clone(), empty, false));
    }
    let store = ReadOnlyStore::open(path);
    let store = store.map_err(|error| CommandError::unusable("[state]", &error))?;
    let store = Arc::new(store);
    Ok((store.clone(), store, true))
}

fn described(arguments: &ExplainArguments) -> Result<Described, CommandError> {
    let mut described = Described {
        method: arguments.method.to_ascii_uppercase(),
        path: arguments.path.clone(),
        ..Described::default()
    };
    for field in &arguments.headers {
        let (name, value) = field.split_once(':').ok_or_else(|| {
            CommandError::Unusable(format!("`{field}` is no header field: write `Name: value`"))
        })?;
        described.header(name.trim(), value.trim());
    }
    if let (Some(tenant), Some(user)) = (&arguments.tenant, &arguments.user) {
        let claims = arguments.claims.as_deref().map(serde_json::from_str);
        let claims = claims
            .transpose()
            .map_err(|error| CommandError::unusable("`--claims`", &error))?;
        described.caller = Some(DescribedCaller {
            tenant: tenant.clone(),
            user: user.clone(),
            roles: arguments.roles.clone(),
            scopes: arguments.scopes.clone(),
            kind: arguments.kind.clone(),
            claims: claims.unwrap_or_default(),
        });
    }
    let token = match &arguments.token_file {
        Some(file) => Some(read_file(file)?),
        None if arguments.token_stdin => Some(read_stdin()?),
        None => None,
    };
    if let Some(token) = token {
        described.header("Authorization", &format!("Bearer {}", token.trim()));
    }
    if let Some(body) = &arguments.body {
        let text = match body.trim_start() {
            "-" => read_stdin()?,
            text if text.starts_with(['{', '[']) => body.clone(),
            _ => read_file(&PathBuf::from(body))?,
        };
        let is_json = text.trim_start().starts_with(['{', '[']);
        let typed = arguments.headers.iter().any(|field| {
            let name = field.split(':').next().unwrap_or_default();
            name.trim().eq_ignore_ascii_case("content-type")
        });
        if is_json && !typed {
            described.header("Content-Type", "application/json");
        }
        described.body = Some(Value::String(text));
    }
    Ok(described)
}

fn read_file(path: &PathBuf) -> Result<String, CommandError> {
    std::fs::read_to_string(path)
        .map_err(|error| CommandError::unusable(format!("`{}`", path.display()), &error))
}

fn read_stdin() -> Result<String, CommandError> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| CommandError::unusable("standard input", &error))?;
    Ok(text)
}
