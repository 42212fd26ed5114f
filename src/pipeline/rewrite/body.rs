//! Changes of the request body.

use bytes::Bytes;
use http::Method;

use super::{Change, Changes, form::FormBody, rejected};
use crate::decision::{Denial, DenialCode};
use crate::inspect::json::edit::{self, Found};
use crate::inspect::json::{JsonFault, Limits};
use crate::pipeline::Call;
use crate::pipeline::admit::is_coded;
use crate::policy::{AbsentValue, Place};

/// Applies what concerns the body. Nothing when it stays.
pub(super) fn rewrite(
    call: &Call<'_>,
    body: &[u8],
    changes: &mut Changes<'_>,
) -> Result<Option<Bytes>, Denial> {
    let steps = changes.steps.clone();
    let in_json = steps
        .iter()
        .any(|(place, _)| matches!(place, Place::Body(_)));
    let in_form = steps
        .iter()
        .any(|(place, _)| matches!(place, Place::Form(_)));
    if !in_json && !in_form {
        return Ok(None);
    }
    if body.is_empty() {
        return if comes_without_body(call.method) || !steps.iter().any(puts_in) {
            Ok(None)
        } else {
            Err(rejected(
                "the route writes into the body, and there is none",
            ))
        };
    }
    if is_coded(call.headers) {
        let detail = "the route changes the body, so it has to come without a content coding";
        return Err(Denial::because(DenialCode::EncodingUnsupported, detail));
    }
    let form = FormBody::of(call.headers)?;
    match form {
        // A form that is taken for JSON, or the other way round, would hide from one of the two.
        Some(_) if !in_form => return Err(rejected("the body has to be JSON, and is a form")),
        None if !in_json => return Err(rejected("the body has to be a form")),
        Some(_) | None => {}
    }
    let mut changed: Option<Vec<u8>> = None;
    for (place, change) in &steps {
        let present = changed.as_deref().unwrap_or(body);
        let edited = match (place, &form) {
            (Place::Body(pointer), None) => json(present, pointer, change, changes)?,
            (Place::Form(name), Some(form)) => form.apply(present, name, change, changes)?,
            (
                Place::Body(_)
                | Place::Form(_)
                | Place::Path(_)
                | Place::Query(_)
                | Place::Header(_),
                _,
            ) => None,
        };
        changed = edited.or(changed);
    }
    Ok(changed.map(Bytes::from))
}

/// Methods whose requests have no body as a rule (RFC 9110 section 9.3).
fn comes_without_body(method: &Method) -> bool {
    method.is_safe() || *method == Method::DELETE
}

/// Whether a change needs a body to be made in.
fn puts_in((place, change): &(&Place, Change<'_>)) -> bool {
    matches!(place, Place::Body(_) | Place::Form(_))
        && match change {
            Change::Remove | Change::Scoped => false,
            Change::Set(_) => true,
            Change::Prefix { rule, .. } => rule.absent != AbsentValue::Leave,
        }
}

fn json(
    document: &[u8],
    pointer: &[String],
    change: &Change<'_>,
    changes: &mut Changes<'_>,
) -> Result<Option<Vec<u8>>, Denial> {
    edit::edit(document, pointer, &Limits::default(), |found| {
        decide(found, change, changes)
    })
}

fn decide(
    found: Found<'_>,
    change: &Change<'_>,
    changes: &mut Changes<'_>,
) -> Result<edit::Change, Denial> {
    let element = matches!(change, Change::Prefix { rule, .. } if rule.element);
    let put = |text: Option<String>| match text {
        Some(text) if element => edit::Change::FirstElement(text),
        Some(text) => edit::Change::Text(text),
        None => edit::Change::Keep,
    };
    match (change, found) {
        (Change::Remove, _) => Ok(edit::Change::Remove),
        (Change::Set(value), _) => Ok(edit::Change::Text(value.clone())),
        (_, Found::Absent | Found::Null) => Changes::absent(change).map(put),
        (Change::Prefix { prefix, .. }, Found::Array) if element => {
            Ok(edit::Change::FirstElement(prefix.clone()))
        }
        (_, Found::Text(text)) if !element => changes.present(change, &text).map(put),
        // Whatever a backend makes of another type, it is not what the rule would make of it.
        (_, Found::Text(_) | Found::Array | Found::Other | Found::Unreachable) => {
            Err(JsonFault::Misplaced.into())
        }
    }
}
