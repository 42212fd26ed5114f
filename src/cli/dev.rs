//! `fabric-gate dev token`: a token signed by the development key.
//!
//! The development issuer is the `[[issuers]]` entry whose keys are a file; its signing key lies
//! beside that file and is made by the first token. Whoever can read it can be anybody, so it
//! belongs on one's own machine only.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CommandError, ConfigArgument, output, say};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::identity::development_key::DevelopmentKey;
use crate::identity::settings::{ClaimPath, IssuerSettings, KeySource};
use crate::policy::{PolicyDirectory, PolicySnapshot, compile};
use crate::secret::SecretResolver;

#[derive(Args, Debug)]
pub(super) struct DevArguments {
    #[command(subcommand)]
    command: DevCommand,
}

#[derive(Debug, Subcommand)]
enum DevCommand {
    /// Print a token; makes the development key if there is none.
    Token(TokenArguments),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  # A token for a day's work
  fabric-gate dev token --tenant acme --user alice --role member

  # Used at once
  curl -H \"Authorization: Bearer $(fabric-gate dev token --tenant acme --user alice --role member)\" http://127.0.0.1:8080/

  # One that has expired, to see it refused
  fabric-gate dev token --tenant acme --user alice --expires-in=-1h")]
struct TokenArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Tenant the token belongs to.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// User it stands for.
    #[arg(long, value_name = "ID")]
    user: String,
    /// A role; may be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A scope; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Name of the issuer, where several have their keys in a file.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// How long it is good for: `90s`, `15m`, `8h`, `1d`.
    #[arg(long, default_value = "8h", value_name = "TIME", value_parser = seconds)]
    expires_in: i64,
    /// Print a JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &DevArguments) -> Result<(), CommandError> {
    let DevCommand::Token(arguments) = &arguments.command;
    let config = arguments.config.load()?;
    let files =
        PolicyDirectory::read(&config.policies_directory).map_err(CommandError::Problems)?;
    let snapshot =
        compile(&files, &SecretResolver::from_process()).map_err(CommandError::Problems)?;
    let issuer = development_issuer(&snapshot, arguments.issuer.as_deref())?;
    let KeySource::File(jwks) = &issuer.keys else {
        return Err(CommandError::Unusable(format!(
            "issuer `{}` has no jwks_file",
            issuer.name
        )));
    };
    let directory = jwks.parent().unwrap_or(jwks);
    let key = DevelopmentKey::load_or_create(directory)
        .map_err(|error| CommandError::unusable("the development key", &error))?;
    if key.jwks_file().file_name() != jwks.file_name() {
        return Err(CommandError::Unusable(format!(
            "issuer `{}` reads `{}`, and the development key is published in `{}`: name that one",
            issuer.name,
            jwks.display(),
            key.jwks_file().display()
        )));
    }
    let now = SystemClock.now();
    let token = key
        .sign(&claims(issuer, arguments, now)?)
        .map_err(|error| CommandError::unusable("signing the token", &error))?;
    if arguments.json {
        output::json(&json!({
            "token": token,
            "issuer": issuer.name,
            "tenant": arguments.tenant,
            "user": arguments.user,
            "expires_at": now.plus_seconds(arguments.expires_in).to_string(),
        }));
    } else {
        say(&token);
    }
    Ok(())
}

fn development_issuer<'snapshot>(
    snapshot: &'snapshot PolicySnapshot,
    name: Option<&str>,
) -> Result<&'snapshot IssuerSettings, CommandError> {
    let mut in_files = snapshot
        .issuers
        .iter()
        .filter(|issuer| matches!(issuer.keys, KeySource::File(_)))
        .filter(|issuer| name.is_none_or(|name| issuer.name == name));
    match (in_files.next(), in_files.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(CommandError::Unusable(
            "no [[issuers]] entry with such a jwks_file: a development token needs one to be trusted by".to_owned(),
        )),
        (Some(_), Some(_)) => {
            Err(CommandError::Unusable("several issuers have their keys in a file: choose one with --issuer".to_owned()))
        }
    }
}

fn claims(
    issuer: &IssuerSettings,
    arguments: &TokenArguments,
    now: Timestamp,
) -> Result<serde_json::Value, CommandError> {
    let now = now.as_seconds();
    let mut claims = json!({
        "iss": issuer.issuer,
        "aud": issuer.audiences,
        "sub": arguments.user,
        "iat": now,
        "exp": now.saturating_add(arguments.expires_in),
        "jti": format!("dev-{now}"),
        "client_id": "fabric-gate-dev",
    });
    let wanted = [
        (&issuer.claims.user, json!(arguments.user)),
        (&issuer.claims.tenant, json!(arguments.tenant)),
        (&issuer.claims.roles, json!(arguments.roles)),
        (&issuer.claims.scopes, json!(arguments.scopes.join(" "))),
    ];
    for (path, value) in wanted {
        put(&mut claims, path, value).ok_or_else(|| {
            CommandError::Unusable("two claims of the issuer lie inside each other".to_owned())
        })?;
    }
    Ok(claims)
}

/// Puts a value where the issuer's tokens have it; `None` if something that is no object is there.
fn put(claims: &mut serde_json::Value, path: &ClaimPath, value: serde_json::Value) -> Option<()> {
    let names: &[String] = match path {
        ClaimPath::Name(name) => std::slice::from_ref(name),
        ClaimPath::Pointer(names) => names,
    };
    let mut place = claims;
    for name in names {
        place = place
            .as_object_mut()?
            .entry(name.clone())
            .or_insert_with(|| json!({}));
    }
    *place = value;
    Some(())
}

/// Seconds of a time like `90s`, `15m`, `8h` or `1d`.
pub(super) fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time: write `90s`, `15m`, `8h` or `1d`");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number: i64 = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .ok_or_else(wrong)?;
    let scale = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(scale).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_put_where_the_issuer_has_it() {
        let mut claims = json!({"sub": "alice"});
        put(
            &mut claims,
            &ClaimPath::Name("https://example.com/tenant".into()),
            json!("acme"),
        )
        .unwrap();
        put(
            &mut claims,
            &ClaimPath::Pointer(vec!["app".into(), "roles".into()]),
            json!(["lead"]),
        )
        .unwrap();
        let wanted = json!({"sub": "alice", "https://example.com/tenant": "acme", "app": {"roles": ["lead"]}});
        assert_eq!(claims, wanted);
        let inside = ClaimPath::Pointer(vec!["sub".into(), "inner".into()]);
        assert_eq!(put(&mut claims, &inside, json!(1)), None);
    }

    #[test]
    fn a_lifetime_has_a_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("8h"), Ok(28_800));
        assert_eq!(
            seconds("-1h"),
            Ok(-3_600),
            "an expired token is worth having in development"
        );
        for wrong in ["", "8", "h", "8w", "8 h", "99999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
