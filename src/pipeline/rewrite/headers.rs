//! Changes of header fields.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Change, Changes, rejected};
use crate::decision::Denial;
use crate::pipeline::identity_headers;
use crate::policy::Place;

/// Fields that go, under every alias of their names, and fields that are sent instead.
#[derive(Debug, Default)]
pub struct HeaderChanges {
    gone: Vec<String>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderChanges {
    /// Whether the field that the caller sent goes no further.
    pub fn removes(&self, name: &HeaderName) -> bool {
        self.gone
            .iter()
            .any(|gone| identity_headers::spells(name, gone))
    }

    /// The fields that are sent beside those that stay; a name may stand several times.
    pub fn fields(&self) -> &[(HeaderName, HeaderValue)] {
        &self.fields
    }

    /// Sends one field of this value and no other of its name.
    pub(super) fn say(&mut self, name: &str, value: &str) -> Result<(), Denial> {
        self.gone.push(name.to_owned());
        self.add(name, value)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), Denial> {
        let unfit = || rejected("a value that goes into a header is not visible ASCII");
        let name = HeaderName::try_from(name).map_err(|_| unfit())?;
        let value = HeaderValue::try_from(value).map_err(|_| unfit())?;
        self.fields.push((name, value));
        Ok(())
    }
}

/// Applies what concerns headers.
pub(super) fn rewrite(
    headers: &HeaderMap,
    changes: &mut Changes<'_>,
    changed: &mut HeaderChanges,
) -> Result<(), Denial> {
    for (place, change) in changes.steps.clone() {
        let Place::Header(name) = place else { continue };
        let present: Vec<&HeaderValue> = headers
            .iter()
            .filter(|(sent, _)| identity_headers::spells(sent, name))
            .map(|(_, value)| value)
            .collect();
        match &change {
            Change::Remove => changed.gone.push(name.clone()),
            Change::Set(value) => changed.say(name, value)?,
            Change::Scoped | Change::Prefix { .. } if present.is_empty() => {
                if let Some(value) = Changes::absent(&change)? {
                    changed.say(name, &value)?;
                }
            }
            Change::Scoped | Change::Prefix { .. } => {
                changed.gone.push(name.clone());
                for value in present {
                    let text = value
                        .to_str()
                        .map_err(|_| rejected("a header that decides is not visible ASCII"))?;
                    if let Some(value) = changes.present(&change, text)? {
                        changed.add(name, &value)?;
                    }
                }
            }
        }
    }
    Ok(())
}
