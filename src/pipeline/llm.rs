//! Which models a tenant uses, shown and changed at run time: the gate's own page, for operators on
//! the admin listener and for a tenant's administrators on the public one.
//!
//! A tenant's administrators change their own tenant's only, and neither they nor an operator get
//! beyond what the policy files let the tenant have: the files are the ceiling, so that nobody who
//! may narrow can widen.

use std::sync::Arc;

use http::{HeaderMap, Method, header};

use super::admit::{asks_for_upgrade, is_coded};
use super::authenticate::Caller;
use super::canonical::CanonicalTarget;
use super::declared_tenant::declared_in_head;
use super::generation::Generation;
use super::inquiry::Stage;
use super::trail::Trail;
use super::{Call, Gate, PeerFacts, Step, declared_tenant};
use crate::audit::Event;
use crate::budget::models::settings::{ChangeError, LlmPatch};
use crate::decision::{Denial, DenialCode, Failure, FailureCode, Refusal};
use crate::policy::{RoutePolicy, authorize, tenant_status};
use crate::tenant::TenantId;

/// What a patch may be called (RFC 7396 section 4).
const PATCH_TYPES: [&str; 2] = ["application/merge-patch+json", "application/json"];

/// A JSON document of the gate's own.
#[derive(Clone, Debug)]
pub struct Published {
    /// The document.
    pub body: Arc<[u8]>,
    /// Its strong entity tag, where it can be changed (RFC 9110 section 8.8.3).
    pub etag: Option<String>,
}

impl Published {
    fn settings(document: &str) -> Self {
        Self {
            body: Arc::from(document.as_bytes()),
            etag: Some(etag(document)),
        }
    }
}

impl Gate {
    /// What holds for the models of a tenant.
    pub fn llm_settings(&self, tenant: &TenantId) -> Published {
        let generation = self.generation();
        let files = generation.snapshot().models(tenant);
        Published::settings(&self.models().document(tenant, files))
    }

    /// Changes them by a JSON merge patch, on behalf of `by`, where the caller goes by what there is.
    ///
    /// # Errors
    /// `request_rejected` for a patch that is not sound or goes beyond the policy files,
    /// `precondition_failed` where `If-Match` names other settings, `state_unavailable` and
    /// `audit_unavailable` where the change can't be kept or recorded.
    pub async fn change_llm_settings(
        &self,
        tenant: &TenantId,
        by: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Published, Refusal> {
        self.audit_ready()?;
        check_type(headers)?;
        let patch = LlmPatch::parse(body).map_err(|error| rejected(error.to_string()))?;
        let generation = self.generation();
        let files = generation.snapshot().models(tenant);
        let condition = |document: &str| matches(headers, &etag(document));
        let changed = self
            .models()
            .change(tenant, files, &patch, condition, (by, self.now()))
            .await
            .map_err(refusal)?;
        let Some(document) = changed else {
            return Ok(Published::settings(&self.models().document(tenant, files)));
        };
        let recorded = self.audit().event(&Event::LlmSettingsChanged {
            tenant: tenant.as_str(),
            by,
            keys: &patch.keys().join(","),
        });
        match recorded {
            Ok(ticket) if self.audit().wait_durable(ticket).await.is_ok() => {
                Ok(Published::settings(&document))
            }
            Ok(_) | Err(_) => {
                let log = "the settings of a tenant were changed and could not be recorded";
                Err(Failure::logged(FailureCode::AuditUnavailable, log).into())
            }
        }
    }

    /// Whether they could be changed so, and how they stand.
    ///
    /// # Errors
    /// As for [`Gate::change_llm_settings`], save for what only writing can tell.
    fn weigh_llm_settings(
        &self,
        tenant: &TenantId,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Published, Refusal> {
        check_type(headers)?;
        let patch = LlmPatch::parse(body).map_err(|error| rejected(error.to_string()))?;
        let generation = self.generation();
        let files = generation.snapshot().models(tenant);
        let condition = |document: &str| matches(headers, &etag(document));
        let weighed = self.models().weigh(tenant, files, &patch, condition);
        weighed.map_err(refusal)?;
        Ok(Published::settings(&self.models().document(tenant, files)))
    }

    /// The page on the public listener: for callers of that very tenant who have one of its roles.
    #[expect(clippy::too_many_arguments, reason = "all that a request is judged by")]
    pub(super) async fn settings_page(
        &self,
        generation: &Generation,
        (page, id): (&Arc<RoutePolicy>, &str),
        call: &Call<'_>,
        target: &CanonicalTarget<'_>,
        peer: &PeerFacts,
        body: Option<&[u8]>,
        trail: &mut Trail,
    ) -> Result<Step, Refusal> {
        let snapshot = generation.snapshot();
        trail.route = Some(Arc::clone(page));
        target
            .permitted_by(&page.path_allows)
            .map_err(|fault| rejected(fault.to_string()))?;
        if asks_for_upgrade(call.headers) {
            return Err(rejected("the route takes no upgrade").into());
        }
        let writes = *call.method == Method::PATCH;
        if !writes && *call.method != Method::GET && *call.method != Method::HEAD {
            let denial = Denial {
                allow: Some("GET, HEAD, PATCH".into()),
                ..Denial::new(DenialCode::MethodNotAllowed)
            };
            return Err(denial.into());
        }
        trail.reaches(Stage::Authenticate);
        let caller = self
            .caller(generation, page, call, target, peer, body, trail)
            .await?;
        let principal = match caller {
            Caller::Known(principal) => principal,
            // INVARIANT: a path leads to a webhook or to this page.
            Caller::Delivers(..) | Caller::InBody => return Err(DenialCode::NotFound.into()),
        };
        trail.principal = Some(Arc::clone(&principal));
        let tenant = principal.tenant();
        trail.reaches(Stage::Tenant);
        tenant_status(snapshot, tenant)?;
        let declared = declared_in_head(call, target)?;
        let other = declared.values.iter().find(|it| **it != tenant.as_str());
        trail.declared_tenant = other.map(|value| value.to_string());
        declared_tenant::agree(
            tenant,
            call.method,
            declared.values.iter().map(|value| &**value),
            self.hardened(snapshot),
            declared.header_present,
            &snapshot.tenancy.grammar,
        )?;
        // Another tenant's page is not there, whoever asks.
        if id != tenant.as_str() {
            return Err(DenialCode::NotFound.into());
        }
        trail.reaches(Stage::Authorize);
        let outcome = authorize(snapshot, page, &principal, call.method);
        trail.rule = outcome.rule;
        trail.would_deny = outcome.would_deny;
        outcome.decision?;
        // A permit stands in for roles that open backends; these open the gate's own settings.
        if !page.roles.iter().any(|role| principal.has_role(role)) {
            let denial = Denial {
                required: Some(page.roles.join(" ").into()),
                ..Denial::new(DenialCode::RoleRequired)
            };
            return Err(denial.into());
        }
        trail.reaches(Stage::Body);
        let document = match (writes, body) {
            (false, _) => self.llm_settings(tenant),
            (true, Some(body)) if trail.inquiry.is_some() => {
                self.weigh_llm_settings(tenant, call.headers, body)?
            }
            (true, None) => {
                return Ok(Step::NeedsBody {
                    limit: page.body_bytes.unwrap_or_default(),
                });
            }
            (true, Some(body)) => {
                let by = format!("user:{}", principal.user().as_str());
                self.change_llm_settings(tenant, &by, call.headers, body)
                    .await?
            }
        };
        trail.admitted = true;
        Ok(Step::Published(document))
    }
}

/// A digest of the document: it changes with the settings, and with what the policy files say.
fn etag(document: &str) -> String {
    let digest = blake3::hash(document.as_bytes()).to_hex();
    format!("\"{}\"", digest.get(..32).unwrap_or_default())
}

/// Whether `If-Match` allows it (RFC 9110 section 13.1.1): absent, `*`, or a list that has the tag.
/// A weak tag never matches.
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let mut fields = headers.get_all(header::IF_MATCH).iter().peekable();
    fields.peek().is_none()
        || fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(','))
            .any(|tag| matches!(tag.trim(), tag if tag == "*" || tag == etag))
}

fn check_type(headers: &HeaderMap) -> Result<(), Denial> {
    if is_coded(headers) {
        let detail = "a patch has to come without a content coding";
        return Err(Denial::because(DenialCode::EncodingUnsupported, detail));
    }
    let Some(field) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let media = field.to_str().unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if PATCH_TYPES
        .iter()
        .any(|known| known.eq_ignore_ascii_case(media))
    {
        Ok(())
    } else {
        Err(rejected(
            "a change is a JSON merge patch: Content-Type has to be application/merge-patch+json",
        ))
    }
}

fn rejected(detail: impl Into<std::borrow::Cow<'static, str>>) -> Denial {
    Denial::because(DenialCode::RequestRejected, detail)
}

fn refusal(error: ChangeError) -> Refusal {
    match error {
        ChangeError::Refused(why) => rejected(why.to_string()).into(),
        ChangeError::Precondition => {
            Denial::because(DenialCode::PreconditionFailed, error.to_string()).into()
        }
        ChangeError::Unavailable(why) => Failure::from(why).into(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_condition_holds_for_the_tag_in_any_field_and_for_no_weak_one() {
        let with = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(header::IF_MATCH, HeaderValue::from_static(field));
            }
            headers
        };
        for fields in [
            &[][..],
            &["*"],
            &["\"a\""],
            &["\"b\", \"a\""],
            &["\"b\"", "\"a\""],
        ] {
            assert!(matches(&with(fields), "\"a\""), "{fields:?}");
        }
        for fields in [
            &["\"b\""][..],
            &["W/\"a\""],
            &["a"],
            &[""],
            &["\"b\", W/\"a\""],
        ] {
            assert!(!matches(&with(fields), "\"a\""), "{fields:?}");
        }
    }

    #[test]
    fn a_patch_is_json_and_says_so() {
        let of = |media: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
            check_type(&headers).is_ok()
        };
        assert!(check_type(&HeaderMap::new()).is_ok());
        assert!(of("application/merge-patch+json") && of("Application/JSON; charset=utf-8"));
        assert!(!of("text/plain") && !of("application/json-patch+json"));
    }

    #[test]
    fn the_tag_changes_with_the_document() {
        assert_ne!(etag("{}"), etag("{ }"));
        assert_eq!(etag("{}").len(), 34);
    }
}
