//! What the texts of policy files look like. Every pattern lets through all that the reader of the
//! same name in [`super::super::values`] does.

use crate::keys::Grammar;

/// A name of something.
pub(crate) const NAME: Grammar = Grammar::matching("name", "^[A-Za-z0-9_.:-]{1,64}$");

/// The name of a rule.
pub(super) const TITLE: Grammar =
    Grammar::matching("title", r"^[^\u0000-\u001f\u007f-\u009f]{1,200}$");

/// A role.
pub(crate) const ROLE: Grammar = Grammar::matching("role", "^[A-Za-z0-9_.:-]{1,64}$");

/// A scope token.
pub(super) const SCOPE: Grammar = Grammar::matching("scope", r"^[!#-\[\]-~]+$");

/// A tenant's id: the outer bounds of every grammar that can be configured.
pub(super) const TENANT: Grammar = Grammar::matching("tenant", "^[A-Za-z0-9_-]{1,63}$");

/// A user's id.
pub(super) const USER: Grammar = Grammar::matching("user", r"^[!-~](?:[ -~]{0,253}[!-~])?$");

/// The name of a route, or the start of some.
pub(super) const ROUTE_PATTERN: Grammar =
    Grammar::matching("route, or pattern", r"^(?:\*|[A-Za-z0-9_.:-]{1,64}\*?)$").like(&["task.*"]);

/// A pattern over names.
pub(super) const GLOB: Grammar =
    Grammar::matching("pattern", r"^[^\u0000-\u0020\u007f-\u009f]{1,512}$").like(&["shell.*"]);

/// A pattern over models.
pub(super) const MODEL_PATTERN: Grammar = Grammar::matching(
    "model, or pattern",
    r"^[^\u0000-\u0020\u007f-\u009f]{1,512}$",
)
.like(&["gpt-4o", "claude-*"]);

/// A model.
pub(super) const MODEL: Grammar =
    Grammar::matching("model", r"^[^\u0000-\u0020*\u007f-\u009f]{1,512}$").like(&["gpt-4o"]);

/// A method.
pub(super) const METHOD: Grammar = Grammar::matching("method", r"^[A-Z0-9!#$%&'*+.^_`|~-]+$")
    .words(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]);

/// The name of a header.
pub(super) const HEADER: Grammar =
    Grammar::matching("header", r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").like(&["x-user-id"]);

/// A claim of a token.
pub(super) const CLAIM: Grammar =
    Grammar::matching("claim", r"^(?:[^/]|(?:/(?:[^~/]|~[01])*)+$)").like(&["sub", "/realm/roles"]);

/// Where a request has a value.
pub(super) const REQUEST_PLACE: Grammar = Grammar::matching(
    "place in the request",
    r"^(?:(?:path|query|form):[\s\S]|header:[A-Za-z0-9!#$%&'*+.^_`|~-]+$|body:(?:/(?:[^~/]|~[01])*)+$)",
)
.like(&[
    "path:id",
    "query:id",
    "header:x-id",
    "body:/id",
    "form:id",
]);

/// Where a request or its caller's token has a value.
pub(super) const CALL_PLACE: Grammar = Grammar::matching(
    "place in the request, or claim",
    r"^(?:(?:path|query|form):[\s\S]|header:[A-Za-z0-9!#$%&'*+.^_`|~-]+$|body:(?:/(?:[^~/]|~[01])*)+$|claim:(?:[^/]|(?:/(?:[^~/]|~[01])*)+$))",
)
.like(&[
    "path:id",
    "query:id",
    "header:x-id",
    "body:/id",
    "form:id",
    "claim:id",
]);

/// Where a request, its caller's token or a message on a socket has an id.
pub(super) const ID_PLACE: Grammar = Grammar::matching(
    "place in the request",
    r"^(?:(?:path|query|form):[\s\S]|header:[A-Za-z0-9!#$%&'*+.^_`|~-]+$|(?:body|message):(?:/(?:[^~/]|~[01])*)+$|claim:(?:[^/]|(?:/(?:[^~/]|~[01])*)+$))",
)
.like(&["path:id", "query:id", "body:/id", "message:/id", "claim:id"]);

/// Where an answer has a value.
pub(super) const ANSWER_PLACE: Grammar = Grammar::matching(
    "place in the answer",
    r"^(?:header:[A-Za-z0-9!#$%&'*+.^_`|~-]+$|(?:body|event):(?:/(?:[^~/]|~[01])*)+$)",
)
.like(&["body:/id", "header:x-id", "event:/id"]);

/// Where an answer says how far something is.
pub(super) const STATE_PLACE: Grammar = Grammar::matching(
    "place in the answer",
    r"^(?:body|event):(?:/(?:[^~/]|~[01])*)+$",
)
.like(&["body:/status", "event:/status"]);

/// Where an answer says how many there are.
pub(super) const TOTAL_PLACE: Grammar = Grammar::matching(
    "place in the answer",
    r"^(?:header:[A-Za-z0-9!#$%&'*+.^_`|~-]+$|body:(?:/(?:[^~/]|~[01])*)+$)",
)
.like(&["body:/total", "header:x-total"]);

/// A place in the body of an answer.
pub(super) const BODY_PLACE: Grammar =
    Grammar::matching("place in the body", r"^body:(?:/(?:[^~/]|~[01])*)+$").like(&["body:/id"]);

/// Where the items of a list are.
pub(super) const ITEMS: Grammar =
    Grammar::matching("place in the body", r"^body:(?:/(?:[^~/]|~[01])*)*$")
        .like(&["body:/items", "body:"]);

/// A place in an item of a list.
pub(super) const ITEM_PLACE: Grammar =
    Grammar::matching("place in the item", r"^(?:body:)?(?:/(?:[^~/]|~[01])*)*$").like(&["/id"]);

/// A parameter that asks for pages.
pub(super) const PARAMETER: Grammar =
    Grammar::matching("query parameter", r"^query:[\s\S]").like(&["query:after"]);

/// Where a credential may be.
pub(super) const CREDENTIAL: Grammar = Grammar::matching(
    "credential",
    r"^(?:bearer$|api_key$|client_certificate$|query:[\s\S])",
)
.words(&["bearer", "api_key", "client_certificate"])
.like(&["query:token"]);

/// A reference to a secret.
pub(crate) const SECRET: Grammar =
    Grammar::matching("secret reference", r"^(?:env:[^=\u0000]+|file:[^\u0000]+)$")
        .like(&["file:/run/secrets/name", "env:NAME"]);

/// A URL that nobody reads along.
pub(crate) const URL: Grammar = Grammar::matching("URL", "^[Hh][Tt][Tt][Pp][Ss]?://[^@#]+$")
    .like(&["https://idp.example.com/"]);

/// Where a backend is.
pub(super) const UPSTREAM_URL: Grammar =
    Grammar::matching("URL", "^(?:[Hh][Tt][Tt][Pp][Ss]?://[^@#/?]+/?$|unix:/)").like(&[
        "http://127.0.0.1:8000",
        "https://backend.internal",
        "unix:/run/backend.sock",
    ]);

/// What becomes of the caller's credential.
pub(super) const AUTHORIZATION: Grammar = Grammar::matching(
    "credential",
    r"^(?:strip|forward|handle:[A-Za-z0-9_.{}-]+(?:/[A-Za-z0-9_.{}-]+)*)$",
)
.words(&["strip", "forward"])
.like(&["handle:tenant/{tenant}/token"]);

/// Segments of a path.
pub(super) const PREFIX: Grammar =
    Grammar::matching("path", "^(?:/[A-Za-z0-9._~-]+)+$").like(&["/memory"]);

/// A folder that workspaces are in.
pub(super) const WORKSPACE: Grammar =
    Grammar::matching("absolute path", "^(?:/[A-Za-z0-9._-]+)+$").like(&["/srv/workspaces"]);

/// The path of a route.
pub(super) const TEMPLATE: Grammar =
    Grammar::matching("path", "^/").like(&["/tasks/{id}", "/files/{*rest}"]);

/// The path of a webhook.
pub(super) const EXACT_PATH: Grammar =
    Grammar::matching("path", r#"^/[!"$-)+->@-z|~]*$"#).like(&["/hooks/github"]);

/// Dollars.
pub(super) const USD: Grammar =
    Grammar::matching("USD, as text", r"^[0-9]+(?:\.[0-9]{1,9})?$").like(&["12.50"]);

/// Dollars for a million tokens.
pub(super) const RATE: Grammar = Grammar::matching(
    "USD for a million tokens, as text",
    r"^[0-9]+(?:\.[0-9]{1,9})?$",
)
.like(&["2.50"]);

/// What a service tier costs beside the rates.
pub(super) const FACTOR: Grammar =
    Grammar::matching("factor, as text", r"^[0-9]+(?:\.[0-9]{1,9})?$").like(&["0.5"]);

/// Requests in a second.
pub(super) const PER_SECOND: Grammar =
    Grammar::matching("number", r"^[0-9]+(?:\.[0-9]{1,6})?$").like(&["0.5"]);

/// How much a model varies.
pub(super) const TEMPERATURE: Grammar =
    Grammar::matching("number from 0 to 2", r"^[012](?:\.[0-9]+)?$").like(&["0.7"]);

/// A stretch of time.
pub(super) const WINDOW: Grammar = Grammar::matching(
    "window",
    "^(?:hour|day|week|month|total|rolling:[0-9]+[mhd])$",
)
.words(&["hour", "day", "week", "month", "total"])
.like(&["rolling:24h"]);

/// A time zone.
pub(super) const TIMEZONE: Grammar = Grammar::any("IANA time zone").like(&["Europe/Paris"]);

/// A hash.
pub(super) const SHA256: Grammar = Grammar::matching("64 hexadecimal digits", "^[0-9A-Fa-f]{64}$");

/// How tenants are named.
pub(crate) const ID_PATTERN: Grammar = Grammar::matching("regular expression", r"^\^[\s\S]*\$$");

/// By what a machine's token is known.
pub(super) const MACHINE_MARKS: Grammar = Grammar::matching(
    "claim, ending of `sub`, or both",
    r"^(?:@[^|]+|[^@|][^|]*)(?:\|(?:@[^|]+|[^@|][^|]*))?$",
)
.like(&["gty|@clients"]);

/// A method of JSON-RPC.
pub(super) const RPC_METHOD: Grammar =
    Grammar::matching("JSON-RPC method", "^[!-~]{1,128}$").like(&["message/send"]);

/// A media type.
pub(super) const MEDIA_TYPE: Grammar =
    Grammar::matching("media type", "^[ -~]*/[ -~]*$").like(&["application/json"]);

/// A text with placeholders.
pub(super) const FILLED_IN: Grammar =
    Grammar::any("text with placeholders").like(&["{user}", "{tenant}", "{namespace}"]);

/// A text that is not empty.
pub(crate) const SOMETHING: Grammar = Grammar::matching("text", r"^[\s\S]");

/// A text.
pub(super) const ANYTHING: Grammar = Grammar::any("text");

/// The path of a file.
pub(crate) const FILE: Grammar = Grammar::any("file");
