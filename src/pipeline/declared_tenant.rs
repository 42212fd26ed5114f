//! Every tenant a request names has to be its credential's.
//!
//! The credential alone says the tenant. A declaration beside it (header, query, body) can only
//! agree or be refused: it never chooses, and there is no default.

use std::borrow::Cow;

use http::Method;

use super::canonical::CanonicalTarget;
use super::extract::{Found, Source};
use super::trail::Trail;
use super::{Call, identity_headers};
use crate::decision::{Denial, DenialCode, Refusal};
use crate::inspect::query;
use crate::policy::RoutePolicy;
use crate::tenant::{TenantGrammar, TenantId};

/// The query parameter that names a tenant.
pub const TENANT_PARAMETER: &str = "tenant";

/// Holds every declared tenant against the credential's.
///
/// `header_present` tells whether the request has the `X-Fabric-Tenant` header under exactly that
/// name (any case); in hardened mode it has to.
///
/// # Errors
/// * `tenant_required`: hardened mode, and the header is missing;
/// * `tenant_invalid`: any declaration is malformed, whatever the others say;
/// * `tenant_mismatch`: any declaration differs, as 404 where the request only reads (so that a
///   stranger's resource looks like none) and as 403 otherwise.
pub fn agree<'a>(
    credential: &TenantId,
    method: &Method,
    declarations: impl IntoIterator<Item = &'a str>,
    hardened: bool,
    header_present: bool,
    grammar: &TenantGrammar,
) -> Result<(), Denial> {
    if hardened && !header_present {
        return Err(Denial::new(DenialCode::TenantRequired));
    }
    let mut differs = false;
    for declared in declarations {
        if declared == credential.as_str() {
            continue;
        }
        if grammar.parse(declared).is_err() {
            return Err(Denial::new(DenialCode::TenantInvalid));
        }
        differs = true;
    }
    if !differs {
        return Ok(());
    }
    let reads = *method == Method::GET || *method == Method::HEAD;
    Err(Denial::new(if reads {
        DenialCode::TenantMismatchRead
    } else {
        DenialCode::TenantMismatch
    }))
}

/// The tenants that a request names beside its credential.
pub(super) struct Declared<'call> {
    pub(super) values: Vec<Cow<'call, str>>,
    pub(super) header_present: bool,
}

/// Those named by the header and the query.
pub(super) fn declared_in_head<'call>(
    call: &'call Call<'_>,
    target: &'call CanonicalTarget<'_>,
) -> Result<Declared<'call>, Denial> {
    let header = identity_headers::declared(call.headers)?;
    let mut values = Vec::new();
    values.extend(header.map(|declared| Cow::Borrowed(declared.value)));
    if let Some(text) = target.query() {
        values.extend(query::values_of(text, TENANT_PARAMETER));
    }
    Ok(Declared {
        values,
        header_present: header.is_some_and(|declared| declared.exact),
    })
}

/// Those, and those at the other places that the route knows.
pub(super) fn declared_elsewhere<'call>(
    route: &RoutePolicy,
    source: &Source<'call, '_>,
    trail: &mut Trail,
) -> Result<Declared<'call>, Refusal> {
    let mut declared = declared_in_head(source.call, source.target)
        .inspect_err(|_| trail.declared_tenant = None)?;
    for extractor in &route.tenant_from {
        for value in source.values(extractor)? {
            match value {
                Found::Text(tenant) => declared.values.push(tenant),
                Found::Null | Found::Container | Found::Other => {
                    return Err(DenialCode::TenantInvalid.into());
                }
            }
        }
    }
    Ok(declared)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to a request of tenant `acme`; `None` is agreement.
    fn judge(
        method: &Method,
        declared: &[&str],
        hardened: bool,
        header: bool,
    ) -> Option<DenialCode> {
        let credential = "acme".parse().unwrap();
        let grammar = TenantGrammar::default();
        let declared = declared.iter().copied();
        agree(&credential, method, declared, hardened, header, &grammar)
            .err()
            .map(|denial| denial.code)
    }

    #[test]
    fn a_declaration_that_agrees_passes_and_none_is_needed() {
        assert_eq!(judge(&Method::POST, &[], false, false), None);
        assert_eq!(judge(&Method::POST, &["acme"], false, true), None);
        assert_eq!(
            judge(&Method::GET, &["acme", "acme", "acme"], true, true),
            None
        );
    }

    #[test]
    fn any_copy_that_differs_is_a_mismatch() {
        use DenialCode::{TenantMismatch, TenantMismatchRead};
        for (method, code) in [
            (Method::GET, TenantMismatchRead),
            (Method::HEAD, TenantMismatchRead),
            (Method::POST, TenantMismatch),
            (Method::PUT, TenantMismatch),
            (Method::PATCH, TenantMismatch),
            (Method::DELETE, TenantMismatch),
            (Method::OPTIONS, TenantMismatch),
        ] {
            for declared in [&["globex"][..], &["acme", "globex"], &["globex", "acme"]] {
                for hardened in [false, true] {
                    let answer = judge(&method, declared, hardened, true);
                    assert_eq!(answer, Some(code), "{method} {declared:?}");
                }
            }
        }
    }

    #[test]
    fn malformed_wins_over_mismatch_wherever_it_stands() {
        for malformed in ["", "A", "Acme", "acme ", "acme,globex", "../acme", "acme\0"] {
            for declared in [
                &[malformed][..],
                &["globex", malformed],
                &[malformed, "acme"],
            ] {
                let answer = judge(&Method::GET, declared, false, true);
                assert_eq!(answer, Some(DenialCode::TenantInvalid), "{declared:?}");
            }
        }
    }

    #[test]
    fn hardened_mode_asks_for_the_header_whatever_else_is_declared() {
        for declared in [&[][..], &["acme"], &["globex"], &["?"]] {
            let answer = judge(&Method::GET, declared, true, false);
            assert_eq!(answer, Some(DenialCode::TenantRequired), "{declared:?}");
        }
    }
}
