//! `[[issuers]]`: whose tokens are believed, and how they are read.

use std::path::Path;
use std::time::Duration;

use super::bare;
use super::reader::Fields;
use super::values;
use crate::identity::settings::{
    ClaimNames, ClaimPath, IssuerPrincipal, IssuerSettings, KeySource, MachineSettings,
    SignatureAlgorithm, TokenTypes,
};
use crate::policy::problem::{Located, ProblemKind};

/// Clock difference forgiven when the file names none, in seconds.
pub(super) const LEEWAY_SECONDS: u64 = 60;

/// Longest believed lifetime of a token when the file names none, in seconds.
pub(super) const MAX_LIFETIME_SECONDS: u64 = 86_400;

/// Every algorithm a JWKS can vouch for. The symmetric ones and `none` are not among them: with a
/// published key they would let anybody sign (RFC 8725 section 2.1).
const ALGORITHMS: [(&str, SignatureAlgorithm); 9] = [
    ("RS256", SignatureAlgorithm::RS256),
    ("RS384", SignatureAlgorithm::RS384),
    ("RS512", SignatureAlgorithm::RS512),
    ("PS256", SignatureAlgorithm::PS256),
    ("PS384", SignatureAlgorithm::PS384),
    ("PS512", SignatureAlgorithm::PS512),
    ("ES256", SignatureAlgorithm::ES256),
    ("ES384", SignatureAlgorithm::ES384),
    ("EdDSA", SignatureAlgorithm::EdDSA),
];

/// Reads one entry; relative files are taken from `base`.
pub(super) fn issuer(fields: &Fields<'_>, base: &Path) -> Option<IssuerSettings> {
    fields.require("issuer");
    fields.require("audiences");
    let issuer = fields.parsed("issuer", not_empty);
    let keys = key_source(fields, base, issuer.as_ref());
    let audiences = fields.some_parsed("audiences", not_empty);
    let algorithms = algorithms(fields);
    let token_types = token_types(fields);
    let leeway = fields.integer("leeway_seconds", 0..=600);
    let lifetime = fields.integer("max_lifetime_seconds", 60..=31_622_400);
    let principal = fields.choice(
        "principal",
        &[
            ("user", IssuerPrincipal::User),
            ("machine", IssuerPrincipal::Machine),
        ],
    );
    let claims = claims(fields);
    let machine = fields.table("machine").map(|fields| machine(&fields));
    Some(IssuerSettings {
        name: fields.text("name")?.value.to_owned(),
        issuer: issuer?.value,
        audiences: bare(audiences?),
        keys: keys?,
        algorithms,
        leeway: Duration::from_secs(leeway.unwrap_or(LEEWAY_SECONDS)),
        token_types,
        principal: principal.unwrap_or(IssuerPrincipal::User),
        claims,
        machine: match machine {
            Some(machine) => Some(machine?),
            None => None,
        },
        max_lifetime: Duration::from_secs(lifetime.unwrap_or(MAX_LIFETIME_SECONDS)),
    })
}

/// Where the keys are: exactly one of three keys says so.
fn key_source(
    fields: &Fields<'_>,
    base: &Path,
    issuer: Option<&Located<String>>,
) -> Option<KeySource> {
    let url = fields.parsed("jwks_url", values::confidential_url);
    let file = fields.parsed("jwks_file", not_empty);
    let discovery = fields.flag("discovery", false);
    let named = [fields.has("jwks_url"), fields.has("jwks_file"), discovery];
    if named.iter().filter(|named| **named).count() != 1 {
        fields.report().add(
            fields.place(),
            ProblemKind::Conflict,
            "exactly one of `jwks_url`, `jwks_file` and `discovery = true` is needed",
        );
        return None;
    }
    if let Some(url) = url {
        return Some(KeySource::Url(url.value));
    }
    if let Some(file) = file {
        return Some(KeySource::File(base.join(file.value)));
    }
    let issuer = issuer.filter(|_| discovery)?;
    let at = issuer.with(issuer.value.as_str());
    Some(KeySource::Discovery(
        fields.parse(at, values::confidential_url)?.value,
    ))
}

fn algorithms(fields: &Fields<'_>) -> Vec<SignatureAlgorithm> {
    let Some(names) = fields.some_parsed("algorithms", not_empty) else {
        return vec![
            SignatureAlgorithm::RS256,
            SignatureAlgorithm::ES256,
            SignatureAlgorithm::EdDSA,
        ];
    };
    names
        .iter()
        .filter_map(|name| {
            if name.value.starts_with("HS") || name.value == "none" {
                let message = format!(
                    "`{}` is signed with what is also needed to verify, or with nothing: whoever can verify \
                     such a token can make one; say which of RS256, ES256, EdDSA … the issuer signs with",
                    name.value
                );
                let report = fields.report();
                report.add(&name.place, ProblemKind::BadValue, message);
                return None;
            }
            fields.choose(&name.with(name.value.as_str()), &ALGORITHMS)
        })
        .collect()
}

/// `typ` is compared without case and without the `application/` that RFC 7515 section 4.1.9 lets
/// a token leave out.
fn token_types(fields: &Fields<'_>) -> TokenTypes {
    let accepted = match fields.some_parsed("token_types", not_empty) {
        Some(types) => types
            .into_iter()
            .map(|name| {
                let name = name.value.to_ascii_lowercase();
                name.strip_prefix("application/")
                    .map_or(name.clone(), str::to_owned)
            })
            .collect(),
        None => vec!["at+jwt".to_owned(), "jwt".to_owned()],
    };
    TokenTypes {
        accepted,
        absent_allowed: !fields.flag("typ_required", false),
    }
}

fn claims(fields: &Fields<'_>) -> ClaimNames {
    let table = fields.table("claims");
    let claim = |key: &'static str, default: &str| {
        table
            .as_ref()
            .and_then(|table| table.parsed(key, values::claim))
            .map_or_else(|| ClaimPath::Name(default.to_owned()), |claim| claim.value)
    };
    ClaimNames {
        user: claim("user", "sub"),
        tenant: claim("tenant", "tid"),
        roles: claim("roles", "roles"),
        scopes: claim("scopes", "scope"),
    }
}

fn machine(fields: &Fields<'_>) -> Option<MachineSettings> {
    for key in ["when", "tenant_header", "user_header"] {
        fields.require(key);
    }
    let marks = fields.parsed("when", machine_marks);
    let tenant_header = fields.parsed("tenant_header", values::header);
    let user_header = fields.parsed("user_header", values::header);
    let required_scope = fields.parsed("required_scope", values::scope);
    let (marker_claim, subject_suffix) = marks?.value;
    Some(MachineSettings {
        marker_claim,
        subject_suffix,
        tenant_header: tenant_header?.value,
        user_header: user_header?.value,
        required_scope: required_scope.map(|scope| scope.value.to_string()),
    })
}

/// `gty|@clients`: a claim whose presence marks a machine's token, an ending of `sub` that does,
/// or both.
fn machine_marks(text: &str) -> Result<(Option<String>, Option<String>), MachineMarksError> {
    let (mut claim, mut suffix) = (None, None);
    for part in text.split('|') {
        let slot = if part.starts_with('@') {
            &mut suffix
        } else {
            &mut claim
        };
        if part.is_empty() || part == "@" || slot.replace(part.to_owned()).is_some() {
            return Err(MachineMarksError);
        }
    }
    Ok((claim, suffix))
}

#[derive(Debug, thiserror::Error)]
#[error("a claim (`gty`), an ending of `sub` (`@clients`) or both joined by `|` are needed")]
struct MachineMarksError;

fn not_empty(text: &str) -> Result<String, EmptyError> {
    if text.is_empty() {
        Err(EmptyError)
    } else {
        Ok(text.to_owned())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("an empty text means nothing here")]
struct EmptyError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_by_a_claim_or_by_the_ending_of_its_subject() {
        let owned = |text: &str| Some(text.to_owned());
        assert_eq!(
            machine_marks("gty|@clients").unwrap(),
            (owned("gty"), owned("@clients"))
        );
        assert_eq!(
            machine_marks("@clients").unwrap(),
            (None, owned("@clients"))
        );
        for text in ["", "|", "gty|", "gty|azp", "@", "@a|@b"] {
            assert!(machine_marks(text).is_err(), "`{text}`");
        }
    }
}
