//! What may be spent: `[costs]`, and `cost` of a route.

use super::super::routes::{EVERY_SECONDS, FOLLOW_SECONDS, MAX_EVERY_SECONDS, MAX_FOLLOW_SECONDS};
use super::grammars::{
    ANSWER_PLACE, CALL_PLACE, NAME, ROLE, SECRET, SOMETHING, STATE_PLACE, URL, USD,
};
use super::prices::PRICE;
use crate::keys::Value::{Flag, Integer, Text, Texts};
use crate::keys::{Grammar, Key, Rule, Shape, Table};

/// `[costs]`.
pub(super) static COSTS: Table = Table {
    name: "costs",
    says: "What holds for the cost of all requests.",
    keys: &[
        Key::new(
            "unpriced",
            Shape::Choice(&[
                ("deny", "It is refused (`price_unknown`), never free."),
                (
                    "default_price",
                    "It costs the `default_price`, which has to be there.",
                ),
            ]),
            "What becomes of a request for a model without a price.",
        )
        .default(Text("deny")),
        Key::new(
            "default_price",
            Shape::Table(&PRICE),
            "What a model without a price costs. Only with `unpriced = \"default_price\"`.",
        ),
        Key::new(
            "built_in_prices",
            Shape::Flag,
            "Whether the prices that are built in hold beside those of `[[prices]]`.",
        )
        .default(Flag(true)),
        Key::new(
            "exhausted_status",
            Shape::IntegerOf(&[429, 402]),
            "Status of `budget_exceeded` and `price_unknown`.",
        )
        .default(Integer(429)),
        Key::new(
            "reserve_usd",
            Shape::Text(USD),
            "What is held for a request that nothing bounds, on routes that say none, in US dollars.",
        ),
        Key::new(
            "alerts",
            Shape::Table(&ALERTS),
            "Who is written to when a ceiling reaches a share in `warn_at`, or refuses.",
        )
        .otherwise("nobody"),
        Key::new(
            "llm_admin_roles",
            Shape::Some(&Shape::Text(ROLE)),
            "Whose holders change which models their own tenant uses, on the public listener.",
        )
        .otherwise("nobody"),
    ],
    rules: &[Rule::Needs("default_price", "unpriced")],
    ..Table::EMPTY
};

static ALERTS: Table = Table {
    name: "costs.alerts",
    says: "A receiver of messages, signed as Standard Webhooks have it.",
    keys: &[
        Key::new(
            "url",
            Shape::Text(URL),
            "Where messages go: https, or http on loopback.",
        )
        .required(),
        Key::new(
            "secret",
            Shape::Text(SECRET),
            "Where the key of their signature is: `whsec_` and the base64 of 24 to 64 bytes.",
        )
        .required(),
    ],
    ..Table::EMPTY
};

/// `cost` of a route.
pub(super) static COST: Table = Table {
    name: "route.cost",
    says: "How what a request costs is known. A route without it is neither held nor charged; WebSockets and \
           public routes have none.",
    keys: &[
        Key::new(
            "usage",
            Shape::Choice(&[
                ("auto", "Whichever of the others fits."),
                ("openai", "OpenAI: chat completions, responses, embeddings."),
                ("anthropic", "Anthropic: messages."),
                ("gemini", "Google: `generateContent`. `model` is required."),
                ("bedrock", "Amazon Bedrock: Converse and InvokeModel. `model` is required."),
            ]),
            "The answer counts the tokens it used, in these words. What they cost is in the prices.",
        ),
        Key::new(
            "usd",
            Shape::Text(ANSWER_PLACE),
            "The answer states an amount, there. It goes before the counts of `tokens`.",
        )
        .examples(&[Text("body:/cost_usd"), Text("header:x-cost-usd")]),
        Key::new(
            "tokens",
            Shape::Table(&TOKENS),
            "The answer counts tokens, in places of its own.",
        ),
        Key::new(
            "fixed_usd",
            Shape::Text(USD),
            "It always costs the same, in US dollars; above nothing.",
        )
        .examples(&[Text("0.002")]),
        Key::new(
            "reserve_usd",
            Shape::Text(USD),
            "What is held, in US dollars, where the request itself bounds nothing: required with `usd` and \
             `tokens`, here or in `[costs]`.",
        )
        .otherwise("that of `[costs]`")
        .examples(&[Text("0.50")]),
        Key::new(
            "model",
            Shape::Text(CALL_PLACE),
            "Where the request names its model.",
        )
        .otherwise("`body:/model` with `usage`, none with the others")
        .examples(&[Text("body:/model"), Text("path:model")]),
        Key::new(
            "session",
            Shape::Text(CALL_PLACE),
            "Where the request names the session its cost adds up over.",
        )
        .otherwise("its first resource"),
        Key::new(
            "agent",
            Shape::Text(CALL_PLACE),
            "Where the request names the agent its cost adds up over.",
        )
        .otherwise("the outermost actor of its token"),
        Key::new(
            "cut_off",
            Shape::Flag,
            "A stream that has used up what was held ends where no more is to be had; otherwise it goes on \
             and counts. Only with `usage`.",
        )
        .default(Flag(false)),
        Key::new(
            "follow",
            Shape::Table(&FOLLOW),
            "The request begins work whose cost is known later. Not with `reports`.",
        ),
        Key::new(
            "reports",
            Shape::Table(&REPORTS),
            "The answer tells of work that another request began; this one costs nothing itself.",
        ),
    ],
    rules: &[
        Rule::ExactlyOne(&[&["usage"], &["fixed_usd"], &["usd", "tokens"]]),
        Rule::Apart("follow", "reports"),
        Rule::Apart("reports", "fixed_usd"),
        Rule::Apart("reports", "reserve_usd"),
        Rule::Needs("cut_off", "usage"),
    ],
    ..Table::EMPTY
};

const COUNT: Shape = Shape::Text(ANSWER_PLACE);

static TOKENS: Table = Table {
    name: "route.cost.tokens",
    says: "Where an answer counts its tokens. What they cost is in the prices.",
    keys: &[
        Key::new("input", COUNT, "Input, without what a cache read or took.")
            .required()
            .examples(&[Text("body:/usage/input")]),
        Key::new("output", COUNT, "Output, with its reasoning.").required(),
        Key::new("cache_read", COUNT, "Input read from a cache."),
        Key::new("cache_write", COUNT, "Input written to a cache."),
        Key::new(
            "reasoning",
            COUNT,
            "Reasoning, which is part of the output.",
        ),
        Key::new("model", COUNT, "The model that answered."),
    ],
    ..Table::EMPTY
};

static FOLLOW: Table = Table {
    name: "route.cost.follow",
    says: "What is held stays held under the first thing that the route's first `creates` finds, and is \
           charged once: when an answer tells, when the gate asks, or when the time is over.",
    keys: &[
        Key::new(
            "by",
            Shape::Choice(&[("resource", "By the id that `creates` finds.")]),
            "By what the work is known again.",
        )
        .required(),
        Key::new(
            "seconds",
            Shape::Integer(1, MAX_FOLLOW_SECONDS),
            "How long the work is followed; what was held is charged then. At most thirty days.",
        )
        .default(Integer(FOLLOW_SECONDS)),
        Key::new(
            "ask",
            Shape::Text(NAME),
            "The route by which the gate asks: a GET with `reports` that has the thing's id in its path.",
        )
        .otherwise("the gate doesn't ask"),
        Key::new(
            "every_seconds",
            Shape::Integer(1, MAX_EVERY_SECONDS),
            "Time to the first question; further ones come later each time.",
        )
        .default(Integer(EVERY_SECONDS)),
    ],
    rules: &[Rule::Needs("every_seconds", "ask")],
    ..Table::EMPTY
};

const WORDS: Shape = Shape::Some(&Shape::Text(Grammar {
    what: "state",
    ..SOMETHING
}));

static REPORTS: Table = Table {
    name: "route.cost.reports",
    says: "How an answer tells that work is over. Without `state` any answer that says a cost is the last word.",
    keys: &[
        Key::new(
            "state",
            Shape::OneOrMore(&Shape::Text(STATE_PLACE)),
            "Where the answer says how far the work is.",
        )
        .otherwise("any answer with a cost is the last word"),
        Key::new(
            "done",
            WORDS,
            "States in which it is done: charged what the answer says, nothing included.",
        )
        .examples(&[Texts(&["completed"])]),
        Key::new(
            "failed",
            WORDS,
            "States in which it failed: charged what the answer says if that is above nothing, else what \
             was held.",
        )
        .examples(&[Texts(&["failed", "cancelled"])]),
    ],
    rules: &[
        Rule::Needs("state", "done"),
        Rule::Needs("done", "state"),
        Rule::Needs("failed", "state"),
    ],
    ..Table::EMPTY
};
