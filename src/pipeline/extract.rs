//! Values out of a request: tenants it declares, ids it names.
//!
//! A value is read in every place and spelling in which a backend may read it, and each counts.

use std::borrow::Cow;

use super::Call;
use super::admit::is_coded;
use super::canonical::{CanonicalTarget, decode_segment};
use super::identity_headers;
use super::rewrite::FormBody;
use crate::decision::{Denial, DenialCode};
use crate::identity::settings::ClaimPath;
use crate::identity::{ClaimValue, KeptClaims};
use crate::inspect::json::{self, Limits, Scalar};
use crate::inspect::query;
use crate::policy::Extractor;

/// The parts of a request that extractors read.
#[derive(Clone, Copy)]
pub(super) struct Source<'call, 'params> {
    pub(super) call: &'call Call<'call>,
    pub(super) target: &'call CanonicalTarget<'call>,
    pub(super) params: &'params matchit::Params<'params, 'call>,
    /// The body, once it was read.
    pub(super) body: Option<&'call [u8]>,
    /// What the caller's token says at the places that routes name.
    pub(super) claims: Option<&'call KeptClaims>,
}

/// What stands where an extractor leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<'call> {
    /// A text, or a whole number as it is written.
    Text(Cow<'call, str>),
    /// `null`.
    Null,
    /// An array or object: what is meant may stand deeper.
    Container,
    /// Neither a text nor a whole number: nothing that could be an id.
    Other,
}

impl<'call> Source<'call, '_> {
    /// Every value an extractor leads to. Of a body that was not read there are none.
    ///
    /// # Errors
    /// `request_rejected` for a body or header that can't be read in one way only,
    /// `encoding_unsupported` for a coded body.
    pub(super) fn values(&self, extractor: &Extractor) -> Result<Vec<Found<'call>>, Denial> {
        match extractor {
            Extractor::Path(name) => Ok(self
                .params
                .get(name)
                .map(|raw| Found::Text(decode_segment(raw)))
                .into_iter()
                .collect()),
            Extractor::Query(name) => Ok(self
                .target
                .query()
                .into_iter()
                .flat_map(|text| query::values_of(text, name))
                .map(Found::Text)
                .collect()),
            Extractor::Header(name) => self
                .call
                .headers
                .iter()
                .filter(|(sent, _)| identity_headers::spells(sent, name))
                .map(|(_, value)| match value.to_str() {
                    Ok(text) => Ok(Found::Text(Cow::Borrowed(text))),
                    Err(_not_ascii) => {
                        let detail = format!("the header `{name}` is not visible ASCII");
                        Err(Denial::because(DenialCode::RequestRejected, detail))
                    }
                })
                .collect(),
            Extractor::Body(pointer) => self.in_json(pointer),
            Extractor::Form(name) => self.in_form(name),
            Extractor::Claim(path) => Ok(self.in_token(path)),
            // Neither is part of a request; the policy's compiler refuses them where it would have to be.
            Extractor::Event(_) | Extractor::Message(_) => Ok(Vec::new()),
        }
    }

    fn in_json(&self, pointer: &[String]) -> Result<Vec<Found<'call>>, Denial> {
        let Some(body) = self.body.filter(|body| !body.is_empty()) else {
            return Ok(Vec::new());
        };
        self.refuse_coded()?;
        let values = json::pointer_values(body, pointer, &Limits::default())
            .map_err(|fault| unreadable(&fault.to_string()))?;
        Ok(values.into_iter().map(found).collect())
    }

    /// Of a body that is no form there are none: a backend that takes either is told of both places.
    fn in_form(&self, name: &str) -> Result<Vec<Found<'call>>, Denial> {
        let (Some(body), Some(form)) = (self.body, FormBody::of(self.call.headers)?) else {
            return Ok(Vec::new());
        };
        self.refuse_coded()?;
        let values = form.values(body, name)?;
        Ok(values
            .into_iter()
            .map(|value| Found::Text(Cow::Owned(value)))
            .collect())
    }

    /// Of a caller without a token there are none.
    fn in_token(&self, path: &ClaimPath) -> Vec<Found<'call>> {
        let Some(claims) = self.claims else {
            return Vec::new();
        };
        let values = claims.at(path).iter();
        values
            .map(|value| match value {
                ClaimValue::Text(text) => Found::Text(Cow::Borrowed(text)),
                ClaimValue::Other => Found::Other,
            })
            .collect()
    }

    fn refuse_coded(&self) -> Result<(), Denial> {
        if is_coded(self.call.headers) {
            let detail = "the route reads the body, so it has to come without a content coding";
            return Err(Denial::because(DenialCode::EncodingUnsupported, detail));
        }
        Ok(())
    }
}

fn unreadable(why: &str) -> Denial {
    Denial::because(DenialCode::RequestRejected, format!("the body: {why}"))
}

/// A value of a JSON document. A number counts only as a whole one, in the one way that is written:
/// `1`, `1.0` and `1e0` are one id to some backends and three to others.
pub(super) fn found(value: Scalar) -> Found<'static> {
    match value {
        Scalar::Text(text) => Found::Text(Cow::Owned(text)),
        Scalar::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Found::Text(Cow::Owned(digits))
        }
        Scalar::Null => Found::Null,
        Scalar::Container => Found::Container,
        Scalar::Number(_) | Scalar::Bool(_) => Found::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_number_in_plain_digits_can_be_an_id() {
        let number = |text: &str| found(Scalar::Number(text.to_owned()));
        assert_eq!(number("17"), Found::Text("17".into()));
        for text in ["1.0", "1e0", "-1", "1E2"] {
            assert_eq!(number(text), Found::Other, "{text}");
        }
        assert_eq!(found(Scalar::Null), Found::Null);
        assert_eq!(found(Scalar::Container), Found::Container);
        assert_eq!(found(Scalar::Bool(true)), Found::Other);
    }
}
