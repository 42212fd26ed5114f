//! What an operator says that the routes of a profile cost.

use fabric_gate::money::NanoUsd;
use fabric_gate::policy::{CostPolicy, CostSource, PolicySnapshot, ProblemKind};

use crate::{compiled, refused};

const PLAIN: &str = "[[upstreams]]\nname = \"one\"\nurl = \"http://127.0.0.1:1\"\n";

fn cost_of<'snapshot>(snapshot: &'snapshot PolicySnapshot, route: &str) -> &'snapshot CostPolicy {
    let mut routes = snapshot.routes.iter();
    let route = routes.find(|it| *it.name == *route).unwrap();
    route.cost.as_ref().unwrap()
}

fn forge(costs: &str) -> String {
    format!(
        "[[upstreams]]\nname = \"forge\"\nurl = \"http://127.0.0.1:1\"\n\
         profile = \"agentflow\"\n{costs}"
    )
}

fn fixed(cost: &CostPolicy) -> Option<NanoUsd> {
    match cost.source {
        CostSource::Fixed(amount) => Some(amount),
        CostSource::Usage(_) | CostSource::Stated(_) => None,
    }
}

fn usd(text: &str) -> Option<NanoUsd> {
    Some(text.parse().unwrap())
}

#[test]
fn an_operator_says_what_the_routes_of_a_profile_cost() {
    let costs = "[upstreams.costs]\n\
                 \"agent.*\" = { fixed_usd = \"0.01\" }\n\
                 \"agent.run\" = { fixed_usd = \"0.05\" }\n";
    let snapshot = compiled(&forge(costs)).unwrap();
    let run = cost_of(&snapshot, "forge.agent.run");
    assert_eq!(fixed(run), usd("0.05"), "the name says more than its start");
    assert_eq!(fixed(cost_of(&snapshot, "forge.agent.chat")), usd("0.01"));
    let mut others = snapshot.routes.iter();
    let models = others.find(|it| &*it.name == "forge.model.list").unwrap();
    assert_eq!(models.cost, None);
}

#[test]
fn an_operator_takes_away_what_a_profile_says_of_costs() {
    let heartbit =
        "[[upstreams]]\nname = \"h\"\nurl = \"http://127.0.0.1:1\"\nprofile = \"heartbit\"\n";
    let costs = |text: &str| {
        let snapshot = compiled(&format!("{heartbit}{text}")).unwrap();
        let routes = snapshot.routes.iter();
        routes.filter(|route| route.cost.is_some()).count()
    };
    assert_eq!(costs("costs = { \"*\" = false }\n"), 0);
    assert!(costs("") > 0, "the profile says some");
}

#[test]
fn costs_that_no_route_could_have_are_refused() {
    let unknown = refused(&forge(
        "costs = { \"agent.rum\" = { fixed_usd = \"0.05\" } }\n",
    ));
    assert!(
        unknown[0].1.contains("the profile brings no such route"),
        "{unknown:?}"
    );
    let alone = format!("{PLAIN}costs = {{ \"x\" = {{ fixed_usd = \"0.05\" }} }}\n");
    let alone = refused(&alone);
    assert_eq!(alone[0].0, ProblemKind::Conflict);
    let wrong = refused(&forge("costs = { \"agent.run\" = { fixed = \"0.05\" } }\n"));
    assert!(
        wrong
            .iter()
            .any(|(kind, _)| *kind == ProblemKind::UnknownKey),
        "{wrong:?}"
    );
    let flat = refused(&forge("costs = { \"agent.run\" = \"0.05\" }\n"));
    assert_eq!(flat[0].0, ProblemKind::WrongType);
}
