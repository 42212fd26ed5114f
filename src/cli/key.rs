//! `fabric-gate key new`: an API key, shown once, and the policy entry that lets it in.

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::dev::seconds;
use super::{CommandError, ConfigArgument, output, say};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::identity::api_key::NewApiKey;
use crate::identity::settings::ApiKeySettings;
use crate::identity::{RoutePattern, UserId};
use crate::tenant::TenantGrammar;

#[derive(Args, Debug)]
pub(super) struct KeyArguments {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key: prints it once, with the [[api_keys]] entry to put into a policy file.
    New(NewArguments),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # For a program of a tenant, confined to some routes
  fabric-gate key new --tenant acme --name ci --role member --route 'task.*'

  # One that ends
  fabric-gate key new --tenant acme --name audit-2026 --role auditor --expires 2027-01-01T00:00:00Z

The key is shown this once. The gate keeps its SHA-256 only.")]
struct NewArguments {
    /// Tenant the key belongs to.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// User it acts as; `svc-NAME` when absent.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Name in audit records.
    #[arg(long, value_name = "NAME", default_value = "new-key")]
    name: String,
    /// A role; may be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A scope; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A route or prefix (`task.*`) it is confined to; may be given several times.
    #[arg(long = "route", value_name = "ROUTE")]
    routes: Vec<String>,
    /// When it ends: RFC 3339 (`2027-01-01T00:00:00Z`), a day (`2027-01-01`, UTC), or in how long (`12h`, `90d`).
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
    // Every command takes it; a new key needs nothing of it.
    #[command(flatten)]
    config: ConfigArgument,
}

pub(super) fn run(arguments: &KeyArguments) -> Result<(), CommandError> {
    let KeyCommand::New(arguments) = &arguments.command;
    let grammar = TenantGrammar::new("^.*$").unwrap_or_default();
    let tenant = grammar.parse(&arguments.tenant).map_err(|error| {
        CommandError::unusable(format!("--tenant `{}`", arguments.tenant), &error)
    })?;
    let user = arguments
        .user
        .clone()
        .unwrap_or_else(|| format!("svc-{}", arguments.name));
    let user = UserId::parse(&user)
        .map_err(|error| CommandError::unusable(format!("--user `{user}`"), &error))?;
    let expires_at = arguments
        .expires
        .as_ref()
        .map(|text| {
            end(text, SystemClock.now()).ok_or_else(|| {
                CommandError::Unusable(format!(
                    "--expires `{text}` is neither a time (`2027-01-01T00:00:00Z`), nor a day \
                     (`2027-01-01`, UTC), nor in how long (`12h`, `90d`)"
                ))
            })
        })
        .transpose()?;
    let key = NewApiKey::generate().map_err(|error| CommandError::unusable("a new key", &error))?;
    let shared = |texts: &[String]| {
        texts
            .iter()
            .map(|text| Arc::from(text.as_str()))
            .collect::<Arc<[Arc<str>]>>()
    };
    let stanza = key.stanza(&ApiKeySettings {
        name: arguments.name.clone(),
        sha256: [0; 32],
        tenant,
        user,
        roles: shared(&arguments.roles),
        scopes: shared(&arguments.scopes),
        expires_at,
        routes: (!arguments.routes.is_empty()).then(|| {
            arguments
                .routes
                .iter()
                .map(|text| RoutePattern::new(text))
                .collect()
        }),
    });
    if arguments.json {
        output::json(&serde_json::json!({ "key": key.text(), "stanza": stanza }));
    } else {
        say(&format!(
            "{}\n\n# Put this into a file of the policy directory:\n{}",
            key.text(),
            stanza.trim_end()
        ));
    }
    Ok(())
}

/// When a key ends, as somebody writes it.
fn end(text: &str, now: Timestamp) -> Option<Timestamp> {
    let at = |time: jiff::Timestamp| Timestamp::from_micros(time.as_microsecond());
    let day = |text: &str| {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(at(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()))
    };
    // A key that has ended already is a slip, and past the year 9999 no policy can be read.
    let hence = |text: &str| {
        let length = seconds(text).ok().filter(|length| *length > 0)?;
        let end = now.plus_seconds(length).as_micros();
        jiff::Timestamp::from_microsecond(end).ok().map(at)
    };
    let time = text.parse().ok().map(at);
    time.or_else(|| day(text)).or_else(|| hence(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_a_day_or_in_how_long() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        assert_eq!(end("2027-01-01T00:00:00Z", now), at(1_798_761_600));
        assert_eq!(end("2027-01-01T01:00:00+01:00", now), at(1_798_761_600));
        assert_eq!(end("2027-01-01", now), at(1_798_761_600));
        assert_eq!(end("90d", now), at(1_807_776_000));
        for wrong in [
            "",
            "soon",
            "90",
            "2027",
            "2027-13-01",
            "d",
            "0d",
            "-5d",
            "99999999999d",
        ] {
            assert_eq!(end(wrong, now), None, "{wrong}");
        }
    }
}
