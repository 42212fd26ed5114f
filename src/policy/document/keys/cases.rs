//! `*.cases.toml`: requests and what is expected of them, beside the policies that they try.

use super::grammars::{ANYTHING, NAME, SOMETHING, USD};
use crate::keys::Value::{Text, Texts};
use crate::keys::{File, Grammar, Key, Names, Shape, Table};

/// Files of cases, which `fabric-gate test` runs.
pub static CASES_FILE: File = File {
    name: "cases",
    title: "Files of cases",
    says: "What a policy folder is expected to decide: `*.cases.toml` beside the policies, which `fabric-gate test` \
           runs and nothing else reads.",
    root: &ROOT,
};

static ROOT: Table = Table {
    name: "cases file",
    keys: &[Key::new(
        "cases",
        Shape::List(&Shape::Table(&CASE)),
        "One request each, and what is expected of it.",
    )],
    ..Table::EMPTY
};

static CASE: Table = Table {
    name: "case",
    says: "A request, who makes it, what is there before, and what is expected.",
    keys: &[
        Key::new(
            "name",
            Shape::Text(ANYTHING),
            "Its name, which no other case of the file has.",
        )
        .required()
        .examples(&[Text("an intern can't delete a session")]),
        Key::new("as", Shape::Table(&CALLER), "Who calls.")
            .otherwise("the credential in the request's headers is judged"),
        Key::new("request", Shape::Table(&REQUEST), "What is asked.").required(),
        Key::new(
            "owned",
            Shape::OneOrMore(&Shape::Table(&OWNED)),
            "Things that have an owner before.",
        ),
        Key::new(
            "spent",
            Shape::OneOrMore(&Shape::Table(&SPENT)),
            "Money that is spent before.",
        ),
        Key::new(
            "expect",
            Shape::Table(&EXPECT),
            "What has to come of it: what is stated has to hold.",
        )
        .required(),
    ],
    ..Table::EMPTY
};

static CALLER: Table = Table {
    name: "case.as",
    says: "Who calls, as a good credential would say it.",
    keys: &[
        Key::new("tenant", Shape::Text(ANYTHING), "The tenant.").required(),
        Key::new("user", Shape::Text(ANYTHING), "The user.").required(),
        Key::new("roles", Shape::List(&Shape::Text(ANYTHING)), "The roles.")
            .examples(&[Texts(&["lead"])]),
        Key::new("scopes", Shape::List(&Shape::Text(ANYTHING)), "The scopes."),
        Key::new(
            "kind",
            Shape::Choice(&[("user", "Somebody."), ("machine", "A program of its own.")]),
            "What the credential stands for.",
        )
        .otherwise("`\"user\"`"),
        Key::new(
            "claims",
            Shape::Table(&CLAIMS),
            "Claims of its token beside these, where routes name some as places of ids.",
        ),
    ],
    ..Table::EMPTY
};

static CLAIMS: Table = Table {
    name: "case.claims",
    says: "Claims by name, as the token would have them.",
    names: Some(Names {
        name: Grammar {
            what: "claim",
            ..SOMETHING
        },
        value: &Shape::Anything,
    }),
    ..Table::EMPTY
};

static REQUEST: Table = Table {
    name: "case.request",
    says: "What is asked.",
    keys: &[
        Key::new("method", Shape::Text(ANYTHING), "The method.")
            .required()
            .examples(&[Text("GET")]),
        Key::new("path", Shape::Text(ANYTHING), "The target, with its query.")
            .required()
            .examples(&[Text("/sessions/1")]),
        Key::new("headers", Shape::Table(&HEADERS), "Its header fields."),
        Key::new(
            "body",
            Shape::Anything,
            "Its body: a text as it is, anything else as JSON.",
        ),
    ],
    ..Table::EMPTY
};

static HEADERS: Table = Table {
    name: "case.headers",
    says: "Header fields by name.",
    names: Some(Names {
        name: Grammar {
            what: "header",
            ..SOMETHING
        },
        value: &Shape::Text(ANYTHING),
    }),
    ..Table::EMPTY
};

static OWNED: Table = Table {
    name: "case.owned",
    says: "A thing that has an owner.",
    keys: &[
        Key::new("upstream", Shape::Text(NAME), "The upstream that has it."),
        Key::new("kind", Shape::Text(NAME), "What it is one of.").required(),
        Key::new("id", Shape::Text(ANYTHING), "Its id.").required(),
        Key::new("tenant", Shape::Text(ANYTHING), "The tenant that owns it.").required(),
        Key::new("user", Shape::Text(ANYTHING), "The user that owns it.")
            .otherwise("somebody else"),
    ],
    ..Table::EMPTY
};

static SPENT: Table = Table {
    name: "case.spent",
    says: "Money that is spent.",
    keys: &[
        Key::new("tenant", Shape::Text(ANYTHING), "By which tenant.").otherwise("the caller's"),
        Key::new(
            "scope",
            Shape::Choice(&[
                ("tenant", "By the tenant as a whole."),
                ("user", "By one of its users."),
                ("agent", "By an agent."),
                ("route", "On a route."),
                ("session", "In a session."),
            ]),
            "On which line.",
        )
        .otherwise("`\"tenant\"`"),
        Key::new(
            "value",
            Shape::Text(ANYTHING),
            "Of which user, agent, route or session. Required unless `scope` is `\"tenant\"`.",
        ),
        Key::new("usd", Shape::Text(USD), "How much, in US dollars.").required(),
    ],
    ..Table::EMPTY
};

static EXPECT: Table = Table {
    name: "case.expect",
    says: "What has to hold: a `decision`, a `code` or a `status` at least.",
    keys: &[
        Key::new(
            "decision",
            Shape::Choice(&[
                ("permit", "It reaches the backend."),
                ("deny", "It is refused."),
            ]),
            "What is decided.",
        ),
        Key::new(
            "status",
            Shape::Integer(100, 599),
            "The status of a refusal.",
        ),
        Key::new("code", Shape::Text(ANYTHING), "The code of a refusal.")
            .examples(&[Text("role_required")]),
        Key::new("route", Shape::Text(ANYTHING), "The route that it matches."),
        Key::new("rule", Shape::Text(ANYTHING), "The rule that decides."),
        Key::new(
            "would_deny",
            Shape::List(&Shape::Text(ANYTHING)),
            "The rules in shadow that would refuse it.",
        ),
        Key::new("tenant", Shape::Text(ANYTHING), "The tenant it is for."),
        Key::new("user", Shape::Text(ANYTHING), "The user it is by."),
        Key::new("model", Shape::Text(ANYTHING), "The model it asks for."),
        Key::new(
            "reserve_usd",
            Shape::Text(USD),
            "What is held for it, in US dollars.",
        ),
        Key::new("backend", Shape::Table(&BACKEND), "What the backend gets."),
    ],
    rules: &[crate::keys::Rule::AtLeastOne(&[
        "decision", "code", "status",
    ])],
    ..Table::EMPTY
};

static BACKEND: Table = Table {
    name: "case.backend",
    says: "What the backend gets.",
    keys: &[
        Key::new("method", Shape::Text(ANYTHING), "The method."),
        Key::new(
            "target",
            Shape::Text(ANYTHING),
            "The target, with its query.",
        ),
        Key::new(
            "headers",
            Shape::Table(&HEADERS),
            "Header fields that are there.",
        ),
        Key::new(
            "absent",
            Shape::List(&Shape::Text(ANYTHING)),
            "Header fields that are not there.",
        ),
        Key::new("body", Shape::Anything, "The body."),
    ],
    ..Table::EMPTY
};
