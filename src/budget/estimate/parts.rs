//! What a body has beside text, wherever in it: one walk over all of it.

use std::borrow::Cow;

use super::EstimateFault;
use crate::inspect::json::{Cursor, JsonFault};

/// Tokens of one picture: more than the largest one costs at any provider.
const IMAGE: u64 = 40_000;
/// Tokens of a document, recording or film: as much as the longest context holds.
const FILE: u64 = 1_048_576;

/// How deep parts are looked for: twice as deep as any interface has them. What is deeper may be
/// anything.
const DEPTH: usize = 24;

/// What was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Tokens beyond those of the text.
    pub(super) allowance: u64,
    /// Bytes of pictures that stand in the body itself: no text.
    pub(super) image_bytes: u64,
    /// Tools of any kind.
    pub(super) has_tools: bool,
    /// Tools of the provider, which read on their own.
    pub(super) whole_context: bool,
    /// See [`super::RequestBound`].
    pub(super) audio_input: bool,
    pub(super) audio_output: bool,
    pub(super) cache_write_1h: bool,
    /// Searches: whether they may be made, and how often where all say so.
    search_tools: u64,
    stated_searches: u64,
    unstated_searches: bool,
}

/// What an object is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    Image,
    Audio,
    File,
}

/// What is told of an object by what it stands in.
#[derive(Clone, Copy, Debug, Default)]
struct Around {
    /// In an object that was counted already.
    medium: Option<Medium>,
    /// In the tools of the request.
    tools: bool,
    /// Levels above.
    depth: usize,
}

impl Parts {
    pub(super) fn of(body: &[u8]) -> Result<Self, EstimateFault> {
        let mut parts = Self::default();
        let mut cursor = Cursor::new(body)?;
        parts.value(&mut cursor, body, Around::default())?;
        Ok(parts)
    }

    /// Searches that may be made, where a tool that does not say counts `unstated`.
    pub(super) fn searches(&self, unstated: u64) -> u64 {
        let unstated = if self.unstated_searches { unstated } else { 0 };
        self.stated_searches
            .saturating_add(unstated.saturating_mul(self.search_tools.max(1)))
    }

    fn value(
        &mut self,
        cursor: &mut Cursor<'_>,
        body: &[u8],
        around: Around,
    ) -> Result<(), JsonFault> {
        match cursor.peek()? {
            b'{' | b'[' if around.depth > DEPTH => {
                self.whole_context = true;
                cursor.skip().map(drop)
            }
            b'{' => self.object(cursor, body, around),
            b'[' => {
                cursor.expect(b'[')?;
                let mut first = true;
                while cursor.another(first, b']')? {
                    first = false;
                    self.value(cursor, body, deeper(around))?;
                }
                Ok(())
            }
            _ => cursor.skip().map(drop),
        }
    }

    fn object(
        &mut self,
        cursor: &mut Cursor<'_>,
        body: &[u8],
        around: Around,
    ) -> Result<(), JsonFault> {
        // What an object is stands anywhere in it, so its own members are looked at first.
        let facts = Facts::of(&mut cursor.clone(), body)?;
        let mut inner = deeper(around);
        self.audio_input |= facts.may_sound;
        if around.tools {
            self.tool(&facts);
        } else if inner.medium.is_none() {
            // `audio` of the request itself says how it is answered.
            inner.medium = facts
                .medium()
                .filter(|medium| around.depth > 0 || *medium != Medium::Audio);
            match inner.medium {
                Some(Medium::Image) => self.allow(IMAGE),
                Some(Medium::File) => self.allow(FILE),
                Some(Medium::Audio) => {
                    self.audio_input = true;
                    // A recording that is only named is as long as it likes; one that is there has no
                    // more tokens than bytes.
                    if facts.is_named {
                        self.allow(FILE);
                    }
                }
                None => {}
            }
        }
        if inner.medium == Some(Medium::Image) {
            self.image_bytes = self.image_bytes.saturating_add(facts.inline_bytes);
        }
        cursor.expect(b'{')?;
        let mut first = true;
        while cursor.another(first, b'}')? {
            first = false;
            let name = cursor.name()?;
            let mut inner = inner;
            inner.medium = inner.medium.filter(|_| holds_medium(&name));
            if around.depth == 0 {
                self.top_level(&name, cursor, body)?;
                inner.tools = is_tools(&name);
            }
            if name == "ttl" && text_at(&mut cursor.clone(), body)?.as_deref() != Some("5m") {
                self.cache_write_1h = true;
            }
            if is_schema(&name) || (around.depth > 0 && is_free_form(&name)) {
                cursor.skip()?;
            } else {
                self.value(cursor, body, inner)?;
            }
        }
        Ok(())
    }

    fn allow(&mut self, tokens: u64) {
        self.allowance = self.allowance.saturating_add(tokens);
    }

    /// Members of the request itself.
    fn top_level(&mut self, name: &str, cursor: &Cursor<'_>, body: &[u8]) -> Result<(), JsonFault> {
        let span = cursor.clone().skip()?;
        let value = body.get(span).unwrap_or_default();
        let is_empty = value == b"null" || value == b"[]" || value == b"{}";
        if is_empty {
            return Ok(());
        }
        match name {
            "tools" | "functions" | "toolConfig" | "tool_config" => self.has_tools = true,
            "mcp_servers" | "retrievalConfig" => {
                self.has_tools = true;
                self.whole_context = true;
            }
            "web_search_options" => {
                self.whole_context = true;
                self.unstated_searches = true;
            }
            // How OpenAI is asked for audio; Gemini names it among the modalities.
            "audio" => self.audio_output = true,
            "modalities" | "generationConfig" | "generation_config" => {
                let names_audio = value
                    .windows(5)
                    .any(|window| window.eq_ignore_ascii_case(b"audio"));
                let escaped = value.contains(&b'\\');
                let speech = value
                    .windows(6)
                    .any(|window| window.eq_ignore_ascii_case(b"speech"));
                self.audio_output |= names_audio || speech || escaped;
            }
            _ => {}
        }
        Ok(())
    }

    /// An object inside the tools of a request.
    fn tool(&mut self, facts: &Facts<'_>) {
        let kind = facts.kind.as_deref().unwrap_or_default();
        let search = kind.contains("search") || facts.names_search;
        let own = facts.names_provider_tool || !is_run_by_caller(kind);
        if own || search {
            self.whole_context = true;
        }
        if search {
            match facts.max_uses {
                Some(uses) => self.stated_searches = self.stated_searches.saturating_add(uses),
                None => {
                    self.search_tools = self.search_tools.saturating_add(1);
                    self.unstated_searches = true;
                }
            }
        }
    }
}

fn deeper(around: Around) -> Around {
    Around {
        depth: around.depth + 1,
        ..around
    }
}

/// Whether what stands in a tool under `type` is a part of it, or a tool that the caller runs.
fn is_run_by_caller(kind: &str) -> bool {
    let plain = matches!(
        kind,
        "" | "function" | "custom" | "object" | "ephemeral" | "default" | "text" | "grammar"
    );
    let versioned = ["bash_", "text_editor_", "computer_", "memory_"];
    plain || versioned.into_iter().any(|name| kind.starts_with(name))
}

fn is_tools(name: &str) -> bool {
    matches!(name, "tools" | "functions" | "toolConfig" | "tool_config")
}

/// Members in which a part has the medium that it is. What stands in any other is counted anew:
/// else one word would hide all pictures of a message.
fn holds_medium(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "source"
            | "image_url"
            | "image"
            | "input_audio"
            | "audio"
            | "video"
            | "video_url"
            | "document"
            | "file"
            | "inlinedata"
            | "inline_data"
            | "filedata"
            | "file_data"
    )
}

/// Members that describe data instead of holding some.
fn is_schema(name: &str) -> bool {
    matches!(
        name,
        "parameters"
            | "input_schema"
            | "inputSchema"
            | "parametersJsonSchema"
            | "json_schema"
            | "response_format"
            | "responseSchema"
            | "responseJsonSchema"
            | "response_schema"
    )
}

/// Members in which callers of tools put what they like. It is read as text, so nothing in it is
/// taken for a picture and left out of the count.
fn is_free_form(name: &str) -> bool {
    matches!(
        name,
        "input" | "args" | "arguments" | "response" | "json" | "metadata"
    )
}

/// What the own members of an object say.
#[derive(Default)]
struct Facts<'body> {
    kind: Option<Cow<'body, str>>,
    mime: Option<Cow<'body, str>>,
    /// By the name of a member.
    names: Option<Medium>,
    /// It leads to something elsewhere.
    is_named: bool,
    /// It may be a recording or film.
    may_sound: bool,
    /// What it holds is text.
    is_text: bool,
    /// Bytes of what stands here in base64.
    inline_bytes: u64,
    names_search: bool,
    names_provider_tool: bool,
    max_uses: Option<u64>,
}

impl<'body> Facts<'body> {
    fn of(cursor: &mut Cursor<'body>, body: &'body [u8]) -> Result<Self, JsonFault> {
        let mut facts = Self::default();
        // Gemini's way to a file, whose media type may be left out.
        let mut has_address = false;
        cursor.expect(b'{')?;
        let mut first = true;
        while cursor.another(first, b'}')? {
            first = false;
            let name = cursor.name()?;
            let is_object = cursor.peek()? == b'{';
            let is_text = cursor.peek()? == b'"';
            let mut look = cursor.clone();
            let span = cursor.skip()?;
            let bytes = body.get(span.clone()).unwrap_or_default();
            let is_null = bytes == b"null";
            // Some readers fold the case of names.
            match name.to_ascii_lowercase().as_str() {
                "type" => facts.kind = text_at(&mut look, body)?,
                "mimetype" | "mime_type" | "media_type" => {
                    facts.mime = text_at(&mut look, body)?;
                }
                "source" if is_object => {
                    let source = Self::of(&mut look, body)?;
                    facts.is_text = matches!(source.kind.as_deref(), Some("text" | "content"));
                }
                "image_url" if !is_null => {
                    facts.note(Medium::Image);
                    facts.inline(bytes, is_text);
                }
                // An image's address in a part of its own: `{"url": "data:..."}`.
                "url" | "data" | "bytes" if is_text => facts.inline(bytes, name != "url"),
                "image" if is_object => facts.note(Medium::Image),
                "input_audio" if is_object => facts.note(Medium::Audio),
                // An earlier recording, by its id.
                "audio" if is_object => {
                    facts.note(Medium::Audio);
                    facts.is_named = true;
                }
                "video" | "video_url" if !is_null => {
                    facts.note(Medium::File);
                    facts.may_sound = true;
                }
                "document" if is_object => facts.note(Medium::File),
                "file_url" | "file_id" | "file_data" | "filedata" if !is_null => {
                    facts.note(Medium::File);
                }
                "fileuri" | "file_uri" => {
                    facts.is_named = true;
                    has_address = true;
                }
                "s3location" => facts.is_named = true,
                "max_uses" => {
                    let digits = std::str::from_utf8(bytes).ok();
                    facts.max_uses = digits.and_then(|digits| digits.parse().ok());
                }
                "googlesearch"
                | "google_search"
                | "googlesearchretrieval"
                | "google_search_retrieval"
                | "googlemaps"
                | "google_maps"
                | "enterprisewebsearch"
                | "enterprise_web_search" => facts.names_search = true,
                "codeexecution" | "code_execution" | "urlcontext" | "url_context" | "retrieval"
                | "filesearch" | "file_search" | "computeruse" | "computer_use" | "systemtool" => {
                    facts.names_provider_tool = true;
                }
                _ => {}
            }
        }
        facts.may_sound |= match facts.mime.as_deref() {
            Some(mime) => is_of(mime, "audio/") || is_of(mime, "video/"),
            None => has_address,
        };
        Ok(facts)
    }

    fn note(&mut self, medium: Medium) {
        let named = self.names.get_or_insert(medium);
        // Of two names the dearer one is believed.
        if medium == Medium::File || (medium == Medium::Image && *named == Medium::Audio) {
            *named = medium;
        }
    }

    /// A text in base64, or an address that holds such.
    fn inline(&mut self, bytes: &[u8], is_base64: bool) {
        let is_data = bytes.starts_with(b"\"data:");
        if is_data || (is_base64 && !bytes.starts_with(b"\"http")) {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.inline_bytes = self.inline_bytes.saturating_add(length);
        }
    }

    /// What the object itself is. Its `type` says so, or its media type, or how a member is called.
    fn medium(&self) -> Option<Medium> {
        let by_kind = match self.kind.as_deref() {
            Some("image" | "image_url" | "input_image" | "image_file") => Some(Medium::Image),
            Some("input_audio" | "audio" | "audio_url") => Some(Medium::Audio),
            Some(
                "file" | "input_file" | "document" | "video" | "video_url" | "input_video"
                | "container_upload",
            ) => Some(Medium::File),
            Some(_) | None => None,
        };
        let by_mime = self.mime.as_deref().and_then(|mime| {
            if is_of(mime, "image/") {
                Some(Medium::Image)
            } else if is_of(mime, "audio/") {
                Some(Medium::Audio)
            } else {
                (!is_of(mime, "text/")).then_some(Medium::File)
            }
        });
        let medium = by_kind.or(self.names).or(by_mime);
        medium.filter(|_| !self.is_text)
    }
}

/// Whether a media type is of a kind (RFC 9110 section 8.3.1: without regard to case).
fn is_of(mime: &str, kind: &str) -> bool {
    mime.get(..kind.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(kind))
}

/// The text that stands next, if it is one.
fn text_at<'body>(
    cursor: &mut Cursor<'body>,
    body: &'body [u8],
) -> Result<Option<Cow<'body, str>>, JsonFault> {
    let span = cursor.skip()?;
    let inside = body
        .get(span)
        .and_then(|text| text.strip_prefix(b"\""))
        .and_then(|text| text.strip_suffix(b"\""));
    inside.map(crate::inspect::json::unescape).transpose()
}
