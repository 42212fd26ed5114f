//! Holding a request against the models that its tenant and its caller may use.

use http::{Method, header};

use super::Gate;
use super::admit::is_coded;
use super::extract::{Found, Source};
use super::generation::Generation;
use super::rewrite::Rewritten;
use super::trail::Trail;
use crate::budget::models::{ModelAt, ModelDenied, ModelRequest, RequestBody, apply};
use crate::decision::{Denial, DenialCode, Refusal};
use crate::identity::Principal;
use crate::policy::{CostPolicy, CostSource, Extractor, RoutePolicy, Standing, authorize_models};

/// A request on a route whose model is known.
pub(super) struct Asking<'request> {
    pub(super) generation: &'request Generation,
    pub(super) route: &'request RoutePolicy,
    pub(super) principal: &'request Principal,
    pub(super) standing: Standing,
    pub(super) source: Source<'request, 'request>,
}

impl Gate {
    /// Refuses models that the tenant or the caller may not use, and writes into the request what it
    /// leaves out. Answers every model it can lead to, the one it asks for first.
    ///
    /// # Errors
    /// `model_forbidden`, `role_required` where only a permit for other models lets the caller in,
    /// `request_rejected` and `encoding_unsupported` for a body that can't be read in one way only.
    pub(super) fn hold_models(
        &self,
        asking: &Asking<'_>,
        rewritten: &mut Rewritten,
        trail: &mut Trail,
    ) -> Result<Vec<String>, Refusal> {
        let Some((cost, place)) = asking.place() else {
            return Ok(Vec::new());
        };
        let snapshot = asking.generation.snapshot();
        let tenant = asking.principal.tenant();
        let policy = self.models().narrow(tenant, snapshot.models(tenant));
        let given = asking.given(place)?;
        let method = asking.source.call.method;
        let request = ModelRequest {
            format: match &cost.source {
                CostSource::Usage(format) => Some(*format),
                CostSource::Stated(_) | CostSource::Fixed(_) => None,
            },
            path: asking.source.target.path(),
            model: Some(match (place, &given) {
                (Extractor::Body(pointer), None) => ModelAt::Body(pointer),
                (_, given) => ModelAt::Given(given.as_deref().unwrap_or_default()),
            }),
            body: asking.body(rewritten, given.is_some())?,
        };
        let applied = apply(&policy, &request).map_err(|denied| {
            if let ModelDenied::NotAllowed(model) = &denied {
                trail.model = Some(model.as_str().into());
            }
            Denial::from(denied)
        })?;
        asking.named_once(cost, place, &applied.models)?;
        trail.model = applied.models.first().map(|model| model.as_str().into());
        let outcome = authorize_models(
            snapshot,
            asking.route,
            asking.principal,
            method,
            asking.standing,
            &applied.models,
        );
        trail.rule = outcome.rule.or(trail.rule.take());
        trail.would_deny.extend(outcome.would_deny);
        outcome.decision?;
        if let Some(body) = applied.body {
            rewritten.body = Some(body);
        }
        Ok(applied.models)
    }
}

impl<'request> Asking<'request> {
    fn place(&self) -> Option<(&'request CostPolicy, &'request Extractor)> {
        let cost = self.route.cost.as_ref()?;
        Some((cost, cost.model.as_ref()?))
    }

    /// The models that stand elsewhere than at one place of a JSON body.
    fn given(&self, place: &Extractor) -> Result<Option<Vec<String>>, Denial> {
        if let Extractor::Body(pointer) = place
            && !pointer.iter().any(|token| token == "*")
        {
            return Ok(None);
        }
        let mut given = Vec::new();
        for value in self.source.values(place)? {
            match value {
                Found::Text(text) => given.push(text.into_owned()),
                Found::Null => {}
                Found::Container | Found::Other => return Err(ModelDenied::UnclearModel.into()),
            }
        }
        Ok(Some(given))
    }

    /// Refuses a query that names another model than the rest of the request: servers before a provider
    /// let `?model=` go before the body.
    fn named_once(
        &self,
        cost: &CostPolicy,
        place: &Extractor,
        models: &[String],
    ) -> Result<(), Denial> {
        let in_query = Extractor::Query("model".to_owned());
        if !matches!(cost.source, CostSource::Usage(_)) || *place == in_query {
            return Ok(());
        }
        let strange = |found: &Found<'_>| match found {
            Found::Text(text) => !models.iter().any(|model| model == text),
            Found::Null | Found::Container | Found::Other => true,
        };
        if self.source.values(&in_query)?.iter().any(strange) {
            let detail = "the query names a model that the request does not name elsewhere";
            return Err(Denial::because(DenialCode::RequestRejected, detail));
        }
        Ok(())
    }

    /// What the request carries, as it goes to the backend. Of an agent that names its model elsewhere
    /// nobody knows what the body is.
    fn body<'body>(
        &self,
        rewritten: &'body Rewritten,
        is_elsewhere: bool,
    ) -> Result<RequestBody<'body>, Denial>
    where
        'request: 'body,
    {
        let body = match &rewritten.body {
            Some(body) => &**body,
            None => self.source.body.unwrap_or_default(),
        };
        let metered = self
            .place()
            .is_some_and(|(cost, _)| matches!(cost.source, CostSource::Usage(_)));
        if is_elsewhere && !metered {
            return Ok(RequestBody::Other);
        }
        if body.is_empty() {
            return Ok(RequestBody::Empty);
        }
        if is_coded(self.source.call.headers) {
            let detail = "the route reads the body, so it has to come without a content coding";
            return Err(Denial::because(DenialCode::EncodingUnsupported, detail));
        }
        // Not every server asks for the type of what it reads, and no form begins like that.
        let is_object = body.trim_ascii_start().starts_with(b"{");
        Ok(match self.is_form() && !is_object {
            true => RequestBody::Other,
            false => RequestBody::Json(body),
        })
    }

    fn is_form(&self) -> bool {
        let field = self.source.call.headers.get(header::CONTENT_TYPE);
        let media = field.and_then(|field| field.to_str().ok());
        let media = media.unwrap_or_default().trim().to_ascii_lowercase();
        self.source.call.method == Method::POST
            && (media.starts_with("multipart/")
                || media.starts_with("application/x-www-form-urlencoded"))
    }
}
