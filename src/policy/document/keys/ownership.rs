//! Whose things are whose: `resource`, `creates` and `list` of a route.

use super::super::routes::PAGES;
use super::grammars::{
    ANSWER_PLACE, BODY_PLACE, ID_PLACE, ITEM_PLACE, ITEMS, NAME, PARAMETER, ROLE, TOTAL_PLACE,
};
use crate::keys::Value::{Flag, Integer, Text};
use crate::keys::{Key, Rule, Shape, Table};

const KIND: Key = Key::new(
    "kind",
    Shape::Text(NAME),
    "What the id is one of. Kinds are known by upstream, and another name forgets who owns what.",
)
.required()
.examples(&[Text("task")]);

const FORM: Key = Key::new(
    "as",
    Shape::Choice(&[
        ("exact", "Byte for byte."),
        (
            "uuid",
            "The backend parses ids as UUIDs: case, hyphens, braces and `urn:uuid:` don't count.",
        ),
        (
            "uuid-or-name",
            "It takes names of its own beside UUIDs; what could be a UUID in some spelling and is none is denied.",
        ),
    ]),
    "How ids are compared.",
)
.default(Text("exact"));

const OWNER: Key = Key::new(
    "owner",
    Shape::Choice(&[("tenant", "To the tenant."), ("user", "To the user.")]),
    "To whom the thing belongs.",
)
.default(Text("tenant"));

const UNLESS_ROLES: Key = Key::new(
    "unless_roles",
    Shape::List(&Shape::Text(ROLE)),
    "With `owner = \"user\"`: roles for which the tenant is enough.",
);

/// `resource` of a route.
pub(super) static RESOURCE: Table = Table {
    name: "route.resource",
    says: "Ids that a request names. What is not the caller's doesn't exist: the answer is what the backend \
           itself says of an id that never was.",
    keys: &[
        KIND,
        Key::new(
            "id",
            Shape::OneOrMore(&Shape::Text(ID_PLACE)),
            "Where they are. A list is read as a whole, `*` in a pointer is every element of an array, and \
             every id that is found has to be the caller's. `claim:` is a claim of the caller's token (a name or \
             a JSON pointer; of an array every element), `message:` is for routes with `websocket`.",
        )
        .required(),
        FORM,
        Key::new(
            "claim",
            Shape::Flag,
            "The id is the caller's choice: who uses a free one first owns it.",
        )
        .default(Flag(false)),
        OWNER,
        UNLESS_ROLES,
        Key::new(
            "optional",
            Shape::Flag,
            "A request without an id passes; otherwise it is refused (400).",
        )
        .default(Flag(false)),
        Key::new(
            "objects",
            Shape::Flag,
            "The backend takes an object of settings where an id may be: what is no text there passes; \
             otherwise it is refused (400).",
        )
        .default(Flag(false)),
    ],
    ..Table::EMPTY
};

/// `creates` of a route.
pub(super) static CREATES: Table = Table {
    name: "route.creates",
    says: "Ids that the backend mints.",
    keys: &[
        KIND,
        Key::new(
            "id",
            Shape::OneOrMore(&Shape::Text(ANSWER_PLACE)),
            "Where the answer has them; of `header:location` its last segment.",
        )
        .required(),
        FORM,
        OWNER,
        UNLESS_ROLES,
    ],
    ..Table::EMPTY
};

/// `list` of a route.
pub(super) static LIST: Table = Table {
    name: "route.list",
    says: "An answer that names many things. What is not the caller's leaves it, and every byte that stays is \
           the backend's own. A success that can't be understood is refused (`upstream_unreadable`).",
    keys: &[
        KIND,
        Key::new(
            "items",
            Shape::Text(ITEMS),
            "The array: `\"body:/tasks\"`, `\"body:\"` where it is the whole answer, `\"body:/data/*/runs\"` \
             for several.",
        )
        .required(),
        Key::new(
            "id",
            Shape::Text(ITEM_PLACE),
            "The id in an item; `\"\"` where the item is the id. An item without one, or with two, leaves.",
        ),
        Key::new(
            "tenant",
            Shape::Text(ITEM_PLACE),
            "The tenant in an item: one that names another, or none, leaves.",
        ),
        FORM,
        OWNER,
        UNLESS_ROLES,
        Key::new(
            "total",
            Shape::OneOrMore(&Shape::Text(TOTAL_PLACE)),
            "Numbers that count items. They are made to count the caller's.",
        ),
        Key::new(
            "first",
            Shape::Text(BODY_PLACE),
            "A cursor that is the id of the page's first item.",
        )
        .examples(&[Text("body:/first_id")]),
        Key::new(
            "last",
            Shape::Text(BODY_PLACE),
            "A cursor that is the id of the page's last item.",
        )
        .examples(&[Text("body:/last_id")]),
        Key::new(
            "has_more",
            Shape::Text(BODY_PLACE),
            "What is `true` while there are more pages.",
        )
        .examples(&[Text("body:/has_more")]),
        Key::new(
            "after",
            Shape::Text(PARAMETER),
            "The parameter that asks for the page behind an item.",
        ),
        Key::new(
            "offset",
            Shape::Text(PARAMETER),
            "The parameter that says where a page begins.",
        )
        .examples(&[Text("query:offset")]),
        Key::new(
            "limit",
            Shape::Text(PARAMETER),
            "The parameter that says how many items a page has.",
        )
        .examples(&[Text("query:limit")]),
        Key::new(
            "page",
            Shape::Integer(1, 100_000),
            "How many items the gate asks for at a time, where pages go by `offset`.",
        )
        .otherwise("the caller's `limit`"),
        Key::new(
            "pages",
            Shape::Integer(1, 1_000),
            "Most further pages that the gate asks for to answer one request. Beyond it is 502.",
        )
        .default(Integer(PAGES)),
    ],
    rules: &[
        Rule::AtLeastOne(&["id", "tenant"]),
        Rule::Needs("after", "has_more"),
        Rule::Needs("has_more", "after"),
        Rule::Needs("offset", "limit"),
        Rule::Needs("limit", "offset"),
        Rule::Apart("after", "offset"),
    ],
    ..Table::EMPTY
};
