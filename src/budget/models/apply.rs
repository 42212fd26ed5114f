//! Holding a request against a tenant's model policy.

use bytes::Bytes;

use super::api::ModelApi;
use super::named::Named;
use super::{ModelPolicy, Temperature};
use crate::decision::{Denial, DenialCode};
use crate::inspect::json::edit::{Member, put};
use crate::inspect::json::{JsonFault, Limits, Value};
use crate::inspect::usage::UsageFormat;

/// Longest name of a model, in bytes; an ARN of Bedrock is the longest there is.
const MAX_NAME: usize = 2_048;

/// How much of a stranger's text a refusal repeats, in characters.
const REPEATED: usize = 100;

/// A request, as far as the model policy looks at it.
#[derive(Clone, Copy, Debug)]
pub struct ModelRequest<'request> {
    /// In whose words it speaks; `None` is an agent whose words nobody knows: then only what
    /// [`ModelRequest::model`] leads to counts, and nothing but a default model is written.
    pub format: Option<UsageFormat>,
    /// The path, without query.
    pub path: &'request str,
    /// Where the route says that the model stands; `None` is where the API has it.
    pub model: Option<ModelAt<'request>>,
    /// What it carries.
    pub body: RequestBody<'request>,
}

/// Where a request names its model.
#[derive(Clone, Copy, Debug)]
pub enum ModelAt<'request> {
    /// At a place of the JSON body: the tokens of a pointer (RFC 6901), unescaped.
    Body(&'request [String]),
    /// Elsewhere, in the path above all: these, decoded, were found there.
    Given(&'request [String]),
}

/// What a request carries.
#[derive(Clone, Copy, Debug)]
pub enum RequestBody<'request> {
    /// Nothing.
    Empty,
    /// JSON, without a content coding.
    Json(&'request [u8]),
    /// A form or anything else that is no JSON.
    Other,
}

/// What became of a request that may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The body to forward, where it is another one.
    pub body: Option<Bytes>,
    /// Every model the request can lead to, the one it asks for first.
    pub models: Vec<String>,
}

/// Why a request may not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelDenied {
    /// It names a model that the tenant may not use.
    #[error("the model `{0}` is not among those of the tenant")]
    NotAllowed(String),
    /// It names no model, and may not use every one.
    #[error("the request names no model, and the tenant may not use every one: name it")]
    NotNamed,
    /// It asks for more output than the tenant may have at once.
    #[error("`{name}` is {asked}, and the most the tenant may ask for is {most}")]
    TooMuchOutput {
        /// The member.
        name: String,
        /// What it says.
        asked: u64,
        /// The tenant's cap.
        most: u64,
    },
    /// A cap that servers read differently.
    #[error("`{0}` has to be a whole number in plain digits, not below zero")]
    UnclearCap(String),
    /// A model that is no text, or one that no provider has.
    #[error("a model is named by a text of 1 to 2048 visible characters")]
    UnclearModel,
    /// The body can't be read in one way only.
    #[error("the body: {0}")]
    Unreadable(#[from] JsonFault),
}

impl ModelDenied {
    /// Whether the policy refuses it, rather than nobody being able to tell what is asked.
    pub fn is_forbidden(&self) -> bool {
        match self {
            Self::NotAllowed(_) | Self::NotNamed | Self::TooMuchOutput { .. } => true,
            Self::UnclearCap(_) | Self::UnclearModel | Self::Unreadable(_) => false,
        }
    }
}

/// Holds a request against the policy, and writes into it what it leaves out.
///
/// A temperature is left out where `top_p` is given (of the two one is to be changed), where Anthropic
/// is to think, and for models of OpenAI that reason: there it would be refused.
///
/// # Errors
/// See [`ModelDenied`]. Without a list, a cap and a default nothing of the body has to be readable.
pub fn apply(policy: &ModelPolicy, request: &ModelRequest<'_>) -> Result<Applied, ModelDenied> {
    let text = match request.body {
        RequestBody::Json(body) => std::str::from_utf8(body).map_err(|_| JsonFault::NotUtf8)?,
        RequestBody::Empty | RequestBody::Other => "",
    };
    let root = match request.body {
        RequestBody::Json(body) => Some(Value::parse(body, &Limits::default())?),
        RequestBody::Empty | RequestBody::Other => None,
    };
    let mut asked = Asked::read(request, root)?;
    let mut members = Vec::new();
    if let Some(member) = asked.default_model(policy, request, root)? {
        members.push(member);
    }
    asked.check_models(policy, request)?;
    if let Some(most) = policy.max_output_tokens {
        asked.check_caps(most)?;
    }
    if let Some(root) = root {
        members.extend(asked.output(policy, root)?);
    }
    let body = match root {
        Some(root) if !members.is_empty() => Some(Bytes::from(put(text, root, &members)?)),
        Some(_) | None => None,
    };
    Ok(Applied {
        body,
        models: asked.models,
    })
}

/// What a request asks for.
struct Asked {
    api: ModelApi,
    models: Vec<String>,
    /// Whether the place where the API has its model names one.
    names_model: bool,
    unclear: bool,
    caps: Vec<(String, String)>,
}

impl Asked {
    fn read(request: &ModelRequest<'_>, root: Option<Value<'_>>) -> Result<Self, ModelDenied> {
        let api = request.format.map_or(ModelApi::Other, |format| {
            ModelApi::of(format, request.path, root)
        });
        let mut asked = Self {
            api,
            models: Vec::new(),
            names_model: false,
            unclear: false,
            caps: Vec::new(),
        };
        match request.model {
            Some(ModelAt::Given(given)) => {
                let plain = given
                    .iter()
                    .map(|name| api.plain_name(request.format, name));
                asked.models.extend(plain.map(str::to_owned));
            }
            Some(ModelAt::Body(pointer)) => asked.read_at(root, pointer, request.format)?,
            None => asked.read_at(root, &["model".to_owned()], request.format)?,
        }
        asked.names_model = !asked.models.is_empty();
        if let (Some(root), Some(_)) = (root, request.format) {
            let named = Named::of(root);
            asked.unclear |= named.unclear;
            asked.caps = named.caps;
            for model in named.models {
                let model = api.plain_name(request.format, &model).to_owned();
                if !asked.models.contains(&model) {
                    asked.models.push(model);
                }
            }
        }
        Ok(asked)
    }

    /// What stands at the place of the model.
    fn read_at(
        &mut self,
        root: Option<Value<'_>>,
        pointer: &[String],
        format: Option<UsageFormat>,
    ) -> Result<(), ModelDenied> {
        let path: Vec<_> = pointer.iter().map(String::as_str).collect();
        match root.map(|root| root.at(&path)).transpose()?.flatten() {
            Some(value) if value.raw() == "null" => {}
            Some(value) => match value.text() {
                Some(text) => {
                    let model = self.api.plain_name(format, &text).to_owned();
                    self.models.push(model);
                }
                None => self.unclear = true,
            },
            None => {}
        }
        Ok(())
    }

    /// The model of a request that names none.
    fn default_model(
        &mut self,
        policy: &ModelPolicy,
        request: &ModelRequest<'_>,
        root: Option<Value<'_>>,
    ) -> Result<Option<Member>, ModelDenied> {
        let Some(default) = policy.default.as_deref() else {
            return Ok(None);
        };
        let own_place = ["model".to_owned()];
        let pointer = match request.model {
            _ if request.format.is_some() && !self.api.takes_model() => return Ok(None),
            Some(ModelAt::Body(pointer)) => pointer,
            Some(ModelAt::Given(_)) => return Ok(None),
            None => &own_place,
        };
        if self.names_model || self.unclear || !root.is_some_and(Value::is_object) {
            return Ok(None);
        }
        let (inside, name) = match pointer {
            [name] => (None, name),
            [inside, name] => (Some(inside.clone().into()), name),
            _ => return Err(JsonFault::Misplaced.into()),
        };
        self.models.insert(0, default.to_owned());
        Ok(Some(Member {
            inside,
            name: name.clone().into(),
            json: serde_json::Value::from(default).to_string(),
        }))
    }

    fn check_models(
        &self,
        policy: &ModelPolicy,
        request: &ModelRequest<'_>,
    ) -> Result<(), ModelDenied> {
        if self.unclear {
            return Err(ModelDenied::UnclearModel);
        }
        if !policy.is_restricted() {
            return Ok(());
        }
        if !self.models.iter().all(|model| is_name(model)) {
            return Err(ModelDenied::UnclearModel);
        }
        if let Some(model) = self.models.iter().find(|model| !policy.allows(model)) {
            let told = model.chars().take(REPEATED).collect();
            return Err(ModelDenied::NotAllowed(told));
        }
        // An empty body asks no model for anything; an agent may all the same.
        let asks = !matches!(request.body, RequestBody::Empty) || request.format.is_none();
        if self.models.is_empty() && asks {
            return Err(ModelDenied::NotNamed);
        }
        Ok(())
    }

    fn check_caps(&self, most: u64) -> Result<(), ModelDenied> {
        for (name, value) in &self.caps {
            let plain = value.bytes().all(|byte| byte.is_ascii_digit());
            let asked = value.parse::<u64>().ok().filter(|_| plain);
            match asked {
                Some(asked) if asked > most => {
                    return Err(ModelDenied::TooMuchOutput {
                        name: name.clone(),
                        asked,
                        most,
                    });
                }
                Some(_) => {}
                None => return Err(ModelDenied::UnclearCap(name.clone())),
            }
        }
        Ok(())
    }

    /// The cap and the temperature of a request that says none.
    fn output(&self, policy: &ModelPolicy, root: Value<'_>) -> Result<Vec<Member>, ModelDenied> {
        let model = self.models.first().map(String::as_str);
        let cap = policy.max_output_tokens.zip(self.api.cap_name(model));
        let temperature = policy.default_temperature.as_ref();
        let temperature = temperature.filter(|_| self.api.takes_temperature(model));
        if (cap.is_none() && temperature.is_none()) || !root.is_object() {
            return Ok(Vec::new());
        }
        let Some(place) = Place::of(self.api, root)? else {
            return Err(JsonFault::Misplaced.into());
        };
        let mut members = Vec::new();
        if let Some((most, name)) = cap
            && !place.says_any(self.api.cap_names())?
        {
            members.push(place.member(name, most.to_string()));
        }
        if let Some(temperature) = temperature
            && place.leaves_temperature(self.api, root)?
        {
            let json = Temperature::as_str(temperature).to_owned();
            members.push(place.member("temperature", json));
        }
        Ok(members)
    }
}

/// The object in which an API keeps cap and temperature.
struct Place<'body> {
    inside: Option<&'static str>,
    object: Option<Value<'body>>,
}

impl<'body> Place<'body> {
    /// `None` where a body has it in two spellings: servers differ on which one counts.
    fn of(api: ModelApi, root: Value<'body>) -> Result<Option<Self>, JsonFault> {
        let Some(written) = api.settings_in().first() else {
            return Ok(Some(Self {
                inside: None,
                object: Some(root),
            }));
        };
        let mut found = Self {
            inside: Some(written),
            object: None,
        };
        for name in api.settings_in() {
            if let Some(object) = root.member(name)? {
                if found.object.is_some() {
                    return Ok(None);
                }
                found = Self {
                    inside: Some(name),
                    object: Some(object),
                };
            }
        }
        Ok(Some(found))
    }

    fn says(&self, name: &str) -> Result<bool, JsonFault> {
        let member = self.object.map(|object| object.member(name)).transpose()?;
        Ok(member.flatten().is_some_and(|value| value.raw() != "null"))
    }

    fn says_any(&self, names: &[&str]) -> Result<bool, JsonFault> {
        for name in names {
            if self.says(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn leaves_temperature(&self, api: ModelApi, root: Value<'_>) -> Result<bool, JsonFault> {
        if self.says_any(&["temperature", "top_p", "topP"])? {
            return Ok(false);
        }
        let thinking = root.at(&["thinking", "type"])?.and_then(Value::text);
        Ok(api != ModelApi::Messages || thinking.is_none_or(|kind| kind == "disabled"))
    }

    fn member(&self, name: &'static str, json: String) -> Member {
        Member {
            inside: self.inside.map(Into::into),
            name: name.into(),
            json,
        }
    }
}

/// Blanks around a name are lost on some servers, and no model has one inside.
pub(super) fn is_name(text: &str) -> bool {
    let sound = |letter: char| !letter.is_control() && !letter.is_whitespace();
    (1..=MAX_NAME).contains(&text.len()) && text.chars().all(sound)
}

impl From<ModelDenied> for Denial {
    fn from(denied: ModelDenied) -> Self {
        let code = match denied.is_forbidden() {
            true => DenialCode::ModelForbidden,
            false => DenialCode::RequestRejected,
        };
        Self::because(code, denied.to_string())
    }
}

#[cfg(test)]
mod tests;
