//! `cost` of a route: how what its requests cost is known.

use std::sync::Arc;

use http::HeaderName;

use super::{check_parameter, extractor, follow};
use crate::inspect::usage::{Place, Pointers, UsageFormat};
use crate::money::NanoUsd;
use crate::policy::document::reader::Fields;
use crate::policy::problem::{Located, ProblemKind};
use crate::policy::{CostPolicy, CostSource, Extractor};

/// Reads the key of one route.
pub(super) fn cost(fields: &Fields<'_>, path: Option<&Located<Arc<str>>>) -> Option<CostPolicy> {
    cost_of(&fields.table("cost")?, path)
}

/// Reads what the key holds.
pub(in crate::policy::document) fn cost_of(
    table: &Fields<'_>,
    path: Option<&Located<Arc<str>>>,
) -> Option<CostPolicy> {
    let source = source(table);
    let reserve = amount(table, "reserve_usd");
    let place = |key| place(table, key, path);
    let (model, session, agent) = (place("model"), place("session"), place("agent"));
    let cut_off = table.flag("cut_off", false);
    let (follow, reports) = (follow::follow(table), follow::reports(table));
    let refuse = |message: &str| {
        table
            .report()
            .add(table.place(), ProblemKind::Conflict, message);
    };
    let source = source?;
    match (&source, &model) {
        (CostSource::Usage(UsageFormat::Gemini | UsageFormat::Bedrock), None) => {
            refuse("these APIs name the model in the path: say where with `model = \"path:…\"`");
        }
        (CostSource::Usage(_) | CostSource::Stated(_) | CostSource::Fixed(_), _) => {}
    }
    if cut_off && !matches!(source, CostSource::Usage(_)) {
        refuse("`cut_off` needs `usage`: other costs are known at the end only");
    }
    if reports.is_some() && matches!(source, CostSource::Fixed(_)) {
        refuse("`reports` reads from the answer what the work cost, and `fixed_usd` says it");
    }
    if reports.is_some() && table.has("reserve_usd") {
        refuse("a request that `reports` costs nothing itself: nothing is reserved for it");
    }
    if reports.is_some() && follow.is_some() {
        refuse("a route begins work (`follow`) or tells of it (`reports`), not both");
    }
    Some(CostPolicy {
        model: match (&source, model) {
            (CostSource::Usage(_), None) => Some(Extractor::Body(vec!["model".to_owned()])),
            (_, model) => model,
        },
        source,
        reserve,
        session,
        agent,
        cut_off,
        follow,
        reports,
    })
}

fn amount(table: &Fields<'_>, key: &'static str) -> Option<NanoUsd> {
    let amount = table.parsed(key, str::parse::<NanoUsd>)?;
    if amount.value.is_zero() {
        table.report().add(
            &amount.place,
            ProblemKind::BadValue,
            "nothing would be held or charged: leave `cost` out where a route costs nothing",
        );
    }
    Some(amount.value)
}

/// One of `usage`, `fixed_usd`, or `usd` and `tokens`.
fn source(table: &Fields<'_>) -> Option<CostSource> {
    let usage = table.choice(
        "usage",
        &[
            ("auto", UsageFormat::Auto),
            ("openai", UsageFormat::OpenAi),
            ("anthropic", UsageFormat::Anthropic),
            ("gemini", UsageFormat::Gemini),
            ("bedrock", UsageFormat::Bedrock),
        ],
    );
    let fixed = amount(table, "fixed_usd");
    let usd = answered(table, "usd");
    let stated = match table.table("tokens") {
        Some(tokens) => Pointers {
            usd,
            ..counts(&tokens)
        },
        None => Pointers {
            usd,
            ..Pointers::default()
        },
    };
    let states = table.has("usd") || table.has("tokens");
    let ways = [table.has("usage"), table.has("fixed_usd"), states];
    if ways.iter().filter(|said| **said).count() != 1 {
        table.report().add(
            table.place(),
            ProblemKind::Conflict,
            "a cost is known in one way: by `usage`, by `usd` or `tokens`, or by `fixed_usd`",
        );
        return None;
    }
    match (usage, fixed) {
        (Some(format), _) => Some(CostSource::Usage(format)),
        (None, Some(fixed)) => Some(CostSource::Fixed(fixed)),
        (None, None) => states.then(|| CostSource::Stated(Arc::new(stated))),
    }
}

fn counts(table: &Fields<'_>) -> Pointers {
    table.require("input");
    table.require("output");
    Pointers {
        usd: None,
        input: answered(table, "input"),
        output: answered(table, "output"),
        cache_read: answered(table, "cache_read"),
        cache_write: answered(table, "cache_write"),
        reasoning: answered(table, "reasoning"),
        model: answered(table, "model"),
    }
}

/// A place in an answer.
fn answered(table: &Fields<'_>, key: &'static str) -> Option<Place> {
    let found = extractor(table, table.text(key)?)?;
    let place = match found.value {
        Extractor::Body(pointer) => Some(Place::Body(pointer)),
        Extractor::Event(pointer) => Some(Place::Event(pointer)),
        Extractor::Header(name) => HeaderName::try_from(name).ok().map(Place::Header),
        Extractor::Path(_)
        | Extractor::Query(_)
        | Extractor::Form(_)
        | Extractor::Claim(_)
        | Extractor::Message(_) => None,
    };
    if place.is_none() {
        table.report().add(
            &found.place,
            ProblemKind::BadValue,
            "an answer states it at `body:`, `header:` or `event:`",
        );
    }
    place
}

/// A place in a request.
fn place(
    table: &Fields<'_>,
    key: &'static str,
    path: Option<&Located<Arc<str>>>,
) -> Option<Extractor> {
    let place = extractor(table, table.text(key)?)?;
    match &place.value {
        Extractor::Path(name) => check_parameter(table, &place, name, path),
        Extractor::Query(_)
        | Extractor::Header(_)
        | Extractor::Body(_)
        | Extractor::Form(_)
        | Extractor::Claim(_) => {}
        Extractor::Event(_) | Extractor::Message(_) => {
            table.report().add(
                &place.place,
                ProblemKind::BadValue,
                "a request names it at `path:`, `query:`, `header:`, `body:`, `form:` or `claim:`",
            );
            return None;
        }
    }
    Some(place.value)
}
