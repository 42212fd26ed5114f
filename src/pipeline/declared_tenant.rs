//! Every tenant a request names has to be its credential's.
//!
//! The credential alone says the tenant. A declaration beside it (header, query, body) can only
//! agree or be refused: it never chooses, and there is no default.

use http::Method;

use crate::decision::{Denial, DenialCode};
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
