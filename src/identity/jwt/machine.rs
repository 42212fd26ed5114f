//! Machine tokens: a program's own token, with headers that say for whom it acts.
//!
//! The contract is AgentFlow's. A client-credentials token is bound to one tenant by its claim; the
//! request has to name that tenant again, and the user it acts for. Only such a token may name
//! another user: from everybody else the same headers say nothing. The program itself is put in
//! front of the delegation chain, so that records show who acted.

use std::sync::Arc;

use http::HeaderMap;

use super::claims::Claims;
use super::json::Json;
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::settings::MachineSettings;
use crate::identity::{Delegation, MAX_DELEGATION_DEPTH, Principal, UserId};

/// How identity providers write the grant in the marker claim (RFC 6749 section 4.4).
const CLIENT_CREDENTIALS: [&str; 2] = ["client-credentials", "client_credentials"];

/// Whether a token is a machine's. A marker claim that is text has to name the client-credentials
/// grant: `gty` also marks tokens that a person got by password, and those must not act for others.
pub(super) fn is_machine(claims: &Claims<'_>, settings: &MachineSettings) -> bool {
    let marked = settings
        .marker_claim
        .as_deref()
        .and_then(|name| claims.members().get(name))
        .is_some_and(|marker| match marker {
            Json::Text(grant) => CLIENT_CREDENTIALS.contains(&&**grant),
            Json::Bool(marked) => *marked,
            Json::Array(grants) => grants
                .iter()
                .filter_map(Json::as_text)
                .any(|grant| CLIENT_CREDENTIALS.contains(&grant)),
            Json::Null | Json::Integer(_) | Json::Float(_) | Json::Object(_) => false,
        });
    let named = || {
        settings
            .subject_suffix
            .as_deref()
            .zip(claims.subject())
            .is_some_and(|(suffix, subject)| subject.ends_with(suffix))
    };
    marked || named()
}

/// The principal of a request with a machine token: the user it names, in the token's tenant.
///
/// # Errors
/// The token lacks the required scope; the tenant header is missing, repeated or names another
/// tenant; the user header is missing, repeated or no user id.
pub(super) fn acting_principal(
    machine: &Principal,
    settings: &MachineSettings,
    headers: &HeaderMap,
) -> Result<Arc<Principal>, Refusal> {
    if let Some(scope) = &settings.required_scope
        && !machine.has_scope(scope)
    {
        return Err(Denial {
            required: Some(Arc::from(scope.as_str())),
            ..Denial::new(DenialCode::ScopeRequired)
        }
        .into());
    }
    let tenant = only(headers, &settings.tenant_header)?.ok_or_else(|| {
        let detail = format!(
            "a machine token needs the {} header",
            settings.tenant_header
        );
        Denial::because(DenialCode::TenantRequired, detail)
    })?;
    if tenant != machine.tenant.as_str() {
        return Err(DenialCode::TenantMismatch.into());
    }
    let user = only(headers, &settings.user_header)?
        .and_then(|user| UserId::parse(user).ok())
        .ok_or_else(|| malformed(&settings.user_header))?;
    Ok(Arc::new(Principal {
        user,
        delegation: acted_by(machine),
        ..machine.clone()
    }))
}

/// The value of a header that may stand once at most.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Denial> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| malformed(name)),
        (Some(_), Some(_)) => Err(malformed(name)),
    }
}

fn malformed(header: &str) -> Denial {
    let detail = format!("a machine token needs exactly one well-formed {header} header");
    Denial::because(DenialCode::RequestRejected, detail)
}

fn acted_by(machine: &Principal) -> Delegation {
    let prior = &machine.delegation;
    let kept = prior.actors.len().min(MAX_DELEGATION_DEPTH - 1);
    let cut = u32::try_from(prior.actors.len() - kept).unwrap_or(u32::MAX);
    let actors = std::iter::once(Arc::from(machine.user.as_str()))
        .chain(prior.actors.iter().take(kept).cloned())
        .collect();
    Delegation {
        actors,
        dropped: prior.dropped.saturating_add(cut),
    }
}
