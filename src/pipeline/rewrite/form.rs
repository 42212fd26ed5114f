//! Changes of what consists of named fields: queries and forms.

use http::{HeaderMap, header};

use super::{Change, Changes, rejected};
use crate::decision::{Denial, DenialCode};
use crate::inspect::multipart::{FormFault, Multipart};
use crate::inspect::query;

/// How fields are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum FormBody {
    /// `application/x-www-form-urlencoded`, or a query.
    UrlEncoded,
    /// `multipart/form-data` of this content type.
    Multipart(String),
}

impl FormBody {
    /// What the content type says; nothing where it says no form.
    ///
    /// # Errors
    /// There are several content types, or one that can't be read.
    pub(in crate::pipeline) fn of(headers: &HeaderMap) -> Result<Option<Self>, Denial> {
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(content_type), another) = (types.next(), types.next()) else {
            return Ok(None);
        };
        let text = content_type.to_str().ok().filter(|_| another.is_none());
        let text = text.ok_or_else(|| rejected("the content type is no single visible text"))?;
        let kind = text.split([';', ',']).next().unwrap_or(text).trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Ok(Some(Self::UrlEncoded));
        }
        let parts = kind
            .get(.."multipart/".len())
            .is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
        Ok(parts.then(|| Self::Multipart(text.to_owned())))
    }

    /// The values of a field in every spelling.
    ///
    /// # Errors
    /// `request_rejected` where the form can't be read in one way only.
    pub(in crate::pipeline) fn values(
        &self,
        body: &[u8],
        name: &str,
    ) -> Result<Vec<String>, Denial> {
        match self {
            Self::UrlEncoded => {
                let values = query::values_of(url_encoded(body)?, name);
                Ok(values.map(String::from).collect())
            }
            Self::Multipart(content_type) => {
                let form = Multipart::parse(content_type, body)?;
                Ok(form
                    .values_of(name)?
                    .into_iter()
                    .map(str::to_owned)
                    .collect())
            }
        }
    }

    /// The body with one field changed; nothing when it stays.
    pub(super) fn apply(
        &self,
        body: &[u8],
        name: &str,
        change: &Change<'_>,
        changes: &mut Changes<'_>,
    ) -> Result<Option<Vec<u8>>, Denial> {
        match self {
            Self::UrlEncoded => {
                let text = url_encoded(body)?;
                let edited = match change {
                    Change::Remove => query::remove(text, name),
                    Change::Set(value) => query::set(text, name, value),
                    Change::Scoped | Change::Prefix { .. } => {
                        if query::values_of(text, name).next().is_some() {
                            query::map(text, name, |value| changes.present(change, value))?
                        } else {
                            Changes::absent(change)?
                                .and_then(|value| query::set(text, name, &value))
                        }
                    }
                };
                Ok(edited.map(String::into_bytes))
            }
            Self::Multipart(content_type) => {
                let form = Multipart::parse(content_type, body)?;
                match change {
                    Change::Remove => Ok(form.remove(name)?),
                    Change::Set(value) => Ok(form.set(name, value)?),
                    Change::Scoped | Change::Prefix { .. } => {
                        if !form.values_of(name)?.is_empty() {
                            return form.map(name, |value| changes.present(change, value));
                        }
                        match Changes::absent(change)? {
                            Some(value) => Ok(form.set(name, &value)?),
                            None => Ok(None),
                        }
                    }
                }
            }
        }
    }
}

impl From<FormFault> for Denial {
    fn from(fault: FormFault) -> Self {
        Self::because(DenialCode::RequestRejected, fault.to_string())
    }
}

/// The text of an url-encoded form, whose escapes every parser reads the same.
fn url_encoded(body: &[u8]) -> Result<&str, Denial> {
    let text = std::str::from_utf8(body).map_err(|_| rejected("the form is not UTF-8"))?;
    let sound = text.split('%').skip(1).all(|after| {
        let mut digits = after.bytes();
        let mut digit = || digits.next().is_some_and(|byte| byte.is_ascii_hexdigit());
        digit() && digit()
    });
    if sound {
        Ok(text)
    } else {
        Err(rejected("the form has a malformed escape"))
    }
}
