//! What holds beyond the roles of a route: `[[rules]]`.

use super::grammars::{GLOB, METHOD, MODEL_PATTERN, ROLE, ROUTE_PATTERN, TENANT, TITLE, USER};
use crate::keys::Value::{Text, Texts};
use crate::keys::{Key, Rule as Relation, Shape, Table};

/// `[[rules]]`.
pub(super) static RULE: Table = Table {
    name: "rule",
    says: "Each condition is a list of alternatives; all conditions that are there have to hold. A forbid \
           wins over everything. A permit stands in for a route's `roles` and for nothing else; it needs a \
           condition and is never in shadow.",
    keys: &[
        Key::new(
            "name",
            Shape::Text(TITLE),
            "A sentence for people: records name the rule by it.",
        )
        .required()
        .examples(&[Text("interns call no shell")]),
        Key::new(
            "effect",
            Shape::Choice(&[
                ("permit", "Lets in who lacks the route's `roles`."),
                ("forbid", "Refuses, whatever else permits."),
            ]),
            "What it does where it holds.",
        )
        .required(),
        Key::new(
            "mode",
            Shape::Choice(&[
                ("enforce", "It holds."),
                (
                    "shadow",
                    "A forbid refuses nobody: records say where it would have (`would_deny`).",
                ),
            ]),
            "Whether it is enforced.",
        )
        .default(Text("enforce")),
        Key::new(
            "routes",
            Shape::Some(&Shape::Text(ROUTE_PATTERN)),
            "Names of routes, or the start of some and `*`.",
        )
        .otherwise("every route"),
        Key::new("methods", Shape::Some(&Shape::Text(METHOD)), "Methods.")
            .otherwise("every method"),
        Key::new("tenants", Shape::Some(&Shape::Text(TENANT)), "Tenants.")
            .otherwise("every tenant"),
        Key::new("users", Shape::Some(&Shape::Text(USER)), "Users.").otherwise("every user"),
        Key::new(
            "roles",
            Shape::Some(&Shape::Text(ROLE)),
            "Roles, any of which the caller has.",
        )
        .otherwise("every caller"),
        Key::new(
            "tools",
            Shape::Some(&Shape::Text(GLOB)),
            "Tools that an MCP message calls, on routes with `mcp = true`. With `prompts` and `resources` \
             it is one condition: a message that uses any of them is meant.",
        )
        .examples(&[Texts(&["shell.*"])]),
        Key::new(
            "prompts",
            Shape::Some(&Shape::Text(GLOB)),
            "Prompts that an MCP message gets, likewise.",
        ),
        Key::new(
            "resources",
            Shape::Some(&Shape::Text(GLOB)),
            "URIs of resources that an MCP message reads, likewise.",
        ),
        Key::new(
            "models",
            Shape::Some(&Shape::Text(MODEL_PATTERN)),
            "Models that a request asks for, on routes whose `cost` tells the model (`model_forbidden`). \
             Not together with `tools`, `prompts` and `resources`.",
        ),
    ],
    rules: &[
        Relation::Apart("models", "tools"),
        Relation::Apart("models", "prompts"),
        Relation::Apart("models", "resources"),
    ],
    ..Table::EMPTY
};
