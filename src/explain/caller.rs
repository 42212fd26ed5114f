//! From a description to the caller it stands for.

use std::sync::Arc;

use serde_json::Value;

use super::described::{DescribedCaller, DescribedError};
use crate::identity::settings::ClaimPath;
use crate::identity::{KeptClaims, Principal, PrincipalKind, Supposed, UserId};
use crate::policy::PolicySnapshot;

impl DescribedCaller {
    /// The caller that this describes, under a policy.
    ///
    /// # Errors
    /// No credential could ever stand for such a one.
    pub(super) fn supposed(
        &self,
        snapshot: &PolicySnapshot,
    ) -> Result<Arc<Principal>, DescribedError> {
        let tenant = snapshot.tenancy.grammar.parse(&self.tenant);
        let tenant = tenant.map_err(|error| DescribedError::Tenant {
            tenant: self.tenant.clone(),
            why: error.to_string(),
        })?;
        let user = UserId::parse(&self.user).map_err(|error| DescribedError::User {
            user: self.user.clone(),
            why: error.to_string(),
        })?;
        let kind = match self.kind.as_deref() {
            None | Some("user") => PrincipalKind::User,
            Some("machine") => PrincipalKind::Machine,
            Some(other) => return Err(DescribedError::Kind(other.to_owned())),
        };
        let claims = Value::Object(self.claims.clone()).to_string();
        let claims = KeptClaims::described(&claims, &snapshot.claims())
            .map_err(|error| DescribedError::Claims(error.to_string()))?;
        Ok(Arc::new(Principal::supposed(Supposed {
            tenant,
            user,
            kind,
            roles: names(&self.roles)?,
            scopes: names(&self.scopes)?,
            actors: Vec::new(),
            routes: None,
            claims,
        })))
    }
}

fn names(given: &[String]) -> Result<Vec<Arc<str>>, DescribedError> {
    let fits = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b',')
    };
    given
        .iter()
        .map(|name| match fits(name) {
            true => Ok(Arc::from(name.as_str())),
            false => Err(DescribedError::Name(name.clone())),
        })
        .collect()
}

/// In words, what says the tenant of a caller.
pub(super) fn tenant_from(principal: &Principal, snapshot: &PolicySnapshot) -> String {
    let method = principal.method().as_str();
    let (kind, name) = method.split_once(':').unwrap_or((method, ""));
    match kind {
        "jwt" => {
            let issuer = snapshot.issuers.iter().find(|issuer| issuer.name == name);
            match issuer {
                Some(issuer) => format!(
                    "claim `{}` of a token of issuer `{name}` ({})",
                    place(&issuer.claims.tenant),
                    issuer.issuer
                ),
                None => format!("a token of issuer `{name}`"),
            }
        }
        "api_key" => format!("the API key `{name}`"),
        "mtls" => format!("the client certificate `{name}`"),
        "webhook" => format!("the webhook `{name}`"),
        "development" => "[development], as the request carries no credential".to_owned(),
        _ => "the description; no credential was checked".to_owned(),
    }
}

/// A claim as policies write it.
pub(super) fn place(claim: &ClaimPath) -> String {
    match claim {
        ClaimPath::Name(name) => name.clone(),
        ClaimPath::Pointer(tokens) => tokens.iter().map(|token| format!("/{token}")).collect(),
    }
}
