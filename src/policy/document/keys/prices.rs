//! What models cost: `[[prices]]`, and the `default_price` of `[costs]`.

use super::super::prices::MAX_TOKENS;
use super::grammars::{FACTOR, GLOB, RATE, USD};
use crate::keys::Value::{Flag, Text};
use crate::keys::{Grammar, Key, Shape, Table};

const MODEL_NAME: Grammar = Grammar {
    what: "model, or pattern",
    ..GLOB
};

const INPUT: Key = Key::new(
    "input",
    Shape::Text(RATE),
    "Input tokens that no other key is for. `\"0\"` where they are free.",
)
.required()
.examples(&[Text("2.50")]);

const OUTPUT: Key = Key::new(
    "output",
    Shape::Text(RATE),
    "Output tokens that no other key is for. `\"0\"` where they are free.",
)
.required()
.examples(&[Text("10.00")]);

const CACHE_READ: Key = Key::new(
    "cache_read",
    Shape::Text(RATE),
    "Input tokens read from a cache.",
)
.otherwise("`input`");

const CACHE_WRITE: Key = Key::new(
    "cache_write",
    Shape::Text(RATE),
    "Input tokens written to a cache for minutes.",
)
.otherwise("1.25 times `input`");

const CACHE_WRITE_1H: Key = Key::new(
    "cache_write_1h",
    Shape::Text(RATE),
    "Input tokens written to a cache for an hour.",
)
.otherwise("twice `input`, or `cache_write` if that is more");

const REASONING: Key = Key::new(
    "reasoning",
    Shape::Text(RATE),
    "Tokens of reasoning, which are part of the output.",
)
.otherwise("`output`");

const AUDIO_INPUT: Key = Key::new("audio_input", Shape::Text(RATE), "Input tokens of audio.")
    .otherwise("the dearest rate of the price");

const AUDIO_OUTPUT: Key = Key::new("audio_output", Shape::Text(RATE), "Output tokens of audio.")
    .otherwise("the dearest rate of the price");

const TIER_LIST: Shape = Shape::OneOrMore(&Shape::Table(&TIER));

const TIERS: Key = Key::new(
    "tiers",
    TIER_LIST,
    "Rates of the whole request where it has more input tokens, caches included, than `above`. No class \
     costs less there than below.",
);

const SERVICE_TIERS: Key = Key::new(
    "service_tiers",
    Shape::Table(&TIERS_OF_SERVICE),
    "What other tiers of service cost.",
);

const PER_REQUEST: Key = Key::new(
    "per_request",
    Shape::Text(USD),
    "US dollars for each request, beside its tokens.",
)
.otherwise("nothing");

const PER_SEARCH: Key = Key::new(
    "per_search",
    Shape::Text(USD),
    "US dollars for each search that the provider makes.",
)
.otherwise("0.05");

const CONTEXT: Key = Key::new(
    "context",
    Shape::Integer(1, MAX_TOKENS),
    "Most input tokens that the model takes.",
)
.otherwise("input is bounded by the request alone");

const MAX_OUTPUT: Key = Key::new(
    "max_output",
    Shape::Integer(0, MAX_TOKENS),
    "Most output tokens that the model gives.",
)
.otherwise(
    "a request without a cap is refused, unless `max_output_tokens` or `reserve_usd` bounds it",
);

const CHECKED: Key = Key::new(
    "checked",
    Shape::Flag,
    "The price is meant, however odd it looks: rates that are probably in another unit are refused without it.",
)
.default(Flag(false));

/// `[[prices]]`.
pub(super) static PRICE_ENTRY: Table = Table {
    name: "price",
    says: "What a model's tokens cost, before the prices that are built in. Rates are US dollars for a \
           million tokens, as text.",
    keys: &[
        Key::new(
            "model",
            Shape::Text(MODEL_NAME),
            "The model: its name letter by letter, or a pattern with `*`, of which the one that says most \
             letters counts.",
        )
        .required(),
        Key::new(
            "aliases",
            Shape::List(&Shape::Text(MODEL_NAME)),
            "Further names and patterns of it.",
        ),
        INPUT,
        OUTPUT,
        CACHE_READ,
        CACHE_WRITE,
        CACHE_WRITE_1H,
        REASONING,
        AUDIO_INPUT,
        AUDIO_OUTPUT,
        PER_REQUEST,
        PER_SEARCH,
        TIERS,
        SERVICE_TIERS,
        CONTEXT,
        MAX_OUTPUT,
        CHECKED,
    ],
    ..Table::EMPTY
};

/// `default_price` of `[costs]`.
pub(super) static PRICE: Table = Table {
    name: "costs.default_price",
    says: "What a model costs that has no price of its own: the keys of `[[prices]]` without the names.",
    keys: &[
        INPUT,
        OUTPUT,
        CACHE_READ,
        CACHE_WRITE,
        CACHE_WRITE_1H,
        REASONING,
        AUDIO_INPUT,
        AUDIO_OUTPUT,
        PER_REQUEST,
        PER_SEARCH,
        TIERS,
        SERVICE_TIERS,
        CONTEXT,
        MAX_OUTPUT,
        CHECKED,
    ],
    ..Table::EMPTY
};

static TIER: Table = Table {
    name: "price.tiers",
    says: "Rates of long requests.",
    keys: &[
        Key::new(
            "above",
            Shape::Integer(1, MAX_TOKENS),
            "More input tokens than these. Tiers rise.",
        )
        .required(),
        INPUT,
        OUTPUT,
        CACHE_READ,
        CACHE_WRITE,
        CACHE_WRITE_1H,
        REASONING,
        AUDIO_INPUT,
        AUDIO_OUTPUT,
    ],
    ..Table::EMPTY
};

static CARD: Table = Table {
    name: "price.rates",
    says: "Rates of a tier of service, with `tiers` of their own.",
    keys: &[
        INPUT,
        OUTPUT,
        CACHE_READ,
        CACHE_WRITE,
        CACHE_WRITE_1H,
        REASONING,
        AUDIO_INPUT,
        AUDIO_OUTPUT,
        TIERS,
    ],
    ..Table::EMPTY
};

const SERVICE: Shape = Shape::Either(&[Shape::Text(FACTOR), Shape::Table(&CARD)]);

static TIERS_OF_SERVICE: Table = Table {
    name: "price.service_tiers",
    says: "What an answer costs that says it was served in such a tier: a factor for all rates (above 0, up \
           to 1000, six places), or rates of its own. `default`, `standard`, `auto` and none are the rates \
           themselves; one the price has no word on costs as much as the dearest it has.",
    keys: &[
        Key::new("priority", SERVICE, "Served before others."),
        Key::new("flex", SERVICE, "Served when there is room."),
        Key::new("batch", SERVICE, "Served within a day."),
        Key::new("scale", SERVICE, "Served from bought capacity (OpenAI)."),
        Key::new("reserved", SERVICE, "Served from reserved capacity."),
        Key::new(
            "provisioned",
            SERVICE,
            "Served from provisioned throughput.",
        ),
        Key::new("fast", SERVICE, "Served faster."),
    ],
    ..Table::EMPTY
};
