//! `fabric-gate spend` and `fabric-gate statement`: what tenants spend, from the gate's own files,
//! whether it runs or not.

use std::io::{self, Write};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::output::{self, Output};
use super::{CommandError, ConfigArgument, say};
use crate::audit::{AuditLog, Filter};
use crate::budget::ledger::{Adjustment, LineStanding};
use crate::budget::{
    Ledger, StatementFormat, StatementHead, spend_document, spend_line, spend_table,
    write_statement,
};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::money::SignedUsd;
use crate::pipeline::books::{Adjusted, Comparison, Difference, Period, adjust, compare};
use crate::pipeline::trace_context::RequestId;
use crate::policy::{PolicyDirectory, PolicySnapshot, UnknownTenant, compile};
use crate::secret::SecretResolver;
use crate::tenant::TenantId;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  # Every ceiling, whether or not the gate runs
  fabric-gate spend

  # One tenant's, for a program
  fabric-gate spend --tenant acme --json")]
pub(super) struct SpendArguments {
    #[command(subcommand)]
    command: Option<SpendCommand>,
    #[command(flatten)]
    show: ShowArguments,
}

#[derive(Debug, Subcommand)]
enum SpendCommand {
    /// Put right what a tenant has spent; signed and recorded in the audit log.
    Adjust(AdjustArguments),
    /// Hold the audit log against the ledger, to the last nano-dollar; exit code 1 and the requests that differ if they do.
    Verify(VerifyArguments),
}

/// How ceilings stand: a table, or JSON.
#[derive(Args, Debug)]
struct ShowArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Only this tenant.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # Give back what a failed run cost
  fabric-gate spend adjust --tenant acme --usd=-1.50 --reason 'run 17 failed on our side'

  # Charge a user for work done elsewhere, once however often it is run
  fabric-gate spend adjust --tenant acme --scope user --value alice --usd=3 --reason 'batch of May' --id batch-05")]
struct AdjustArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Whose spend.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// USD with its sign: `--usd=-1.50` gives back.
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    usd: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// `tenant`, `user`, `agent`, `route` or `session`.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Which user, agent, route or session.
    #[arg(long, value_name = "ID")]
    value: Option<String>,
    /// The same id is adjusted once, however often it is given.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Who does it.
    #[arg(
        long,
        value_name = "NAME",
        env = "USER",
        hide_env_values = true,
        default_value = "command"
    )]
    by: String,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # All of it
  fabric-gate spend verify

  # One tenant's last month
  fabric-gate spend verify --tenant acme --since 2026-10-01 --until 2026-11-01")]
struct VerifyArguments {
    #[command(flatten)]
    config: ConfigArgument,
    #[command(flatten)]
    period: PeriodArguments,
    /// Only this tenant.
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct PeriodArguments {
    /// From this time on: RFC 3339, a day (`2026-11-21`, UTC), or a time ago (`90s`, `15m`, `24h`, `7d`, `2w`).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl PeriodArguments {
    fn parse(&self, tenant: Option<&str>) -> Result<Period, CommandError> {
        let [since, until] = [&self.since, &self.until].map(Option::as_deref);
        let filter = Filter::parse(None, since, until, None, SystemClock.now())
            .map_err(|error| CommandError::Unusable(error.to_string()))?;
        Ok(Period {
            tenant: tenant.map(tenant_id).transpose()?,
            since: filter.since,
            until: filter.until,
        })
    }
}

/// What a tenant was charged, line by line.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # A month, for a spreadsheet
  fabric-gate statement --tenant acme --since 2026-10-01 --until 2026-11-01 > acme-october.csv

  # With totals by model, route and user
  fabric-gate statement --tenant acme --since 30d --json")]
pub(super) struct StatementArguments {
    #[command(flatten)]
    config: ConfigArgument,
    #[command(flatten)]
    period: PeriodArguments,
    /// Whose statement.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// Format of the lines.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Csv)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A table whose last column adds up to the total.
    Csv,
    /// A document with totals by model, route and user.
    Json,
}

pub(super) fn run(arguments: &SpendArguments) -> Result<(), CommandError> {
    match &arguments.command {
        None => show(&arguments.show),
        Some(SpendCommand::Adjust(arguments)) => run_adjust(arguments),
        Some(SpendCommand::Verify(arguments)) => run_verify(arguments),
    }
}

pub(super) fn run_statement(arguments: &StatementArguments) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let period = arguments.period.parse(Some(&arguments.tenant))?;
    let head = StatementHead {
        tenant: tenant_id(&arguments.tenant)?,
        since: period.since,
        until: period.until,
    };
    let format = match (arguments.json, arguments.format) {
        (true, _) | (false, Format::Json) => StatementFormat::Json,
        (false, Format::Csv) => StatementFormat::Csv,
    };
    let ledger = ReadLedger::open(&config)?;
    let mut out = io::BufWriter::new(Output::lock());
    write_statement(&ledger.0, &head, format, &mut out)
        .and_then(|_totals| out.flush())
        .map_err(|error| CommandError::unusable("the statement", &error))
}

fn show(arguments: &ShowArguments) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let secrets = SecretResolver::from_process();
    let snapshot = PolicyDirectory::read(&config.policies_directory)
        .and_then(|directory| compile(&directory, &secrets))
        .map_err(CommandError::Problems)?;
    let ledger = ReadLedger::open(&config)?;
    let now = SystemClock.now();
    let tenants = match &arguments.tenant {
        Some(tenant) => vec![known_tenant(tenant, &snapshot, &ledger.0)?],
        None => {
            let mut tenants = ledger.0.tenants();
            tenants.extend(snapshot.tenants.keys().cloned());
            tenants.sort_unstable();
            tenants.dedup();
            tenants
        }
    };
    let standings: Vec<(TenantId, Vec<LineStanding>)> = tenants
        .into_iter()
        .map(|tenant| {
            let ceilings = snapshot.ceilings(&tenant);
            let standing = ledger.0.standing(&tenant, ceilings, now);
            (tenant, standing)
        })
        .collect();
    if arguments.json {
        let revision = snapshot.prices.revision();
        let documents: Vec<Value> = standings
            .iter()
            .map(|(tenant, standing)| spend_document(tenant, now, &revision, standing))
            .collect();
        output::json(&json!({ "tenants": documents }));
    } else {
        let rows = standings
            .iter()
            .map(|(tenant, standing)| (tenant, standing.as_slice()));
        say(spend_table(rows).trim_end());
    }
    Ok(())
}

fn run_adjust(arguments: &AdjustArguments) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let wrong = CommandError::Unusable;
    let amount = arguments
        .usd
        .parse::<SignedUsd>()
        .map_err(|error| wrong(format!("--usd `{}`: {error}", arguments.usd)))?
        .narrow()
        .ok_or_else(|| wrong("--usd is too large".to_owned()))?;
    let (scope, value) =
        spend_line(arguments.scope.as_deref(), arguments.value.as_deref()).map_err(wrong)?;
    let minted = || RequestId::mint().as_str().to_owned();
    let adjustment = Adjustment {
        tenant: tenant_id(&arguments.tenant)?,
        scope,
        value,
        amount,
        at: SystemClock.now(),
        by: arguments.by.as_str().into(),
        reason: arguments.reason.as_str().into(),
        id: arguments.id.clone().unwrap_or_else(minted).into(),
    };
    let ledger = ReadLedger::open(&config)?;
    let settings = super::serve::audit_settings(&config)?;
    let audit = AuditLog::open(&settings, Arc::new(SystemClock))
        .map_err(|error| CommandError::unusable("the audit log", &error))?;
    let failed = |error| CommandError::unusable("the adjustment", &error);
    let (made, ticket) = adjust(&ledger.0, &audit, &adjustment).map_err(failed)?;
    if let Some(ticket) = ticket
        && audit.wait_durable_blocking(ticket).is_err()
    {
        return Err(CommandError::Unusable(
            "it was adjusted and could not be recorded yet; give the same --id again".to_owned(),
        ));
    }
    let (adjustment, repeated) = match &made {
        Adjusted::Made => (&adjustment, false),
        Adjusted::Before(before) => (before, true),
    };
    let amount = SignedUsd::from_nanos(adjustment.amount);
    if arguments.json {
        let document = json!({
            "tenant": adjustment.tenant.as_str(), "id": &*adjustment.id,
            "usd": amount.to_string(), "repeated": repeated,
        });
        output::json(&document);
    } else {
        let how = if repeated {
            "was adjusted before"
        } else {
            "is adjusted"
        };
        say(&format!(
            "{} {how} by {amount} USD, id {}",
            adjustment.tenant, adjustment.id
        ));
    }
    Ok(())
}

fn run_verify(arguments: &VerifyArguments) -> Result<(), CommandError> {
    let config = arguments.config.load()?;
    let settings = super::serve::audit_settings(&config)?;
    let period = arguments.period.parse(arguments.tenant.as_deref())?;
    let ledger = ReadLedger::open(&config)?;
    let found = compare(&settings, &ledger.0, &period, SystemClock.now())
        .map_err(|error| CommandError::unusable("the books can't be compared", &error))?;
    if arguments.json {
        output::json(&document(&found));
    }
    if !found.is_good() {
        return Err(CommandError::Bad(complaint(&found)));
    }
    if !arguments.json {
        say(&format!(
            "{} lines add up to {} USD in the ledger and in the audit log; {} are on their way to it",
            found.lines, found.ledger, found.on_their_way
        ));
    }
    Ok(())
}

fn complaint(found: &Comparison) -> String {
    let mut text = format!(
        "the audit log adds up to {} USD and the ledger to {} USD; {} lines differ:",
        found.audit, found.ledger, found.different
    );
    for line in &found.differences {
        let Difference {
            tenant,
            kind,
            id,
            audit,
            ledger,
            forged,
        } = line;
        let id = id.escape_debug();
        text.push_str(&match forged {
            true => format!("\n{tenant} {kind} {id}: the signature is of something else"),
            false => format!("\n{tenant} {kind} {id}: audit log {audit}, ledger {ledger}"),
        });
    }
    text
}

fn document(found: &Comparison) -> Value {
    let row = |line: &Difference| {
        json!({
            "tenant": line.tenant, "kind": line.kind, "id": line.id,
            "audit_usd": line.audit.to_string(), "ledger_usd": line.ledger.to_string(),
            "forged": line.forged,
        })
    };
    json!({
        "good": found.is_good(),
        "lines": found.lines,
        "ledger_usd": found.ledger.to_string(),
        "audit_usd": found.audit.to_string(),
        "on_their_way": found.on_their_way,
        "different": found.different,
        "differences": found.differences.iter().map(row).collect::<Vec<_>>(),
    })
}

/// A tenant that the policies name or the ledger has heard of. Where policies let any tenant in, any
/// is known.
fn known_tenant(
    text: &str,
    snapshot: &PolicySnapshot,
    ledger: &Ledger,
) -> Result<TenantId, CommandError> {
    let tenant = tenant_id(text)?;
    let mut known = ledger.tenants();
    known.extend(snapshot.tenants.keys().cloned());
    if known.contains(&tenant) || snapshot.tenancy.unknown == UnknownTenant::Provision {
        return Ok(tenant);
    }
    let nearest = known
        .iter()
        .map(|one| (strsim::damerau_levenshtein(one.as_str(), text), one))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    let hint = nearest.map_or(String::new(), |(_, one)| format!("; did you mean `{one}`?"));
    Err(CommandError::Unusable(format!(
        "there is no tenant `{tenant}`, neither in the policies nor in the ledger{hint}"
    )))
}

fn tenant_id(text: &str) -> Result<TenantId, CommandError> {
    TenantId::kept(text).map_err(|error| CommandError::Unusable(error.to_string()))
}

/// The gate's ledger, open beside whoever else has it.
struct ReadLedger(Arc<Ledger>);

impl ReadLedger {
    /// # Errors
    /// There is none yet, or it can't be read.
    fn open(config: &Config) -> Result<Self, CommandError> {
        let directory = config.state.location.ledger();
        if !directory.is_dir() {
            return Err(CommandError::Unusable(format!(
                "there is no ledger at `{}`: the gate was never started with this configuration",
                directory.display()
            )));
        }
        super::serve::ledger(config, Arc::new(SystemClock)).map(Self)
    }
}

impl Drop for ReadLedger {
    fn drop(&mut self) {
        self.0.close();
    }
}
