//! What the log says was spent.

use fabric_gate::audit::{
    AdjustmentFacts, Booked, CeilingWarning, Event, ExportError, ExportFormat, Filter, costs,
    export,
};
use fabric_gate::clock::{SystemClock, Timestamp};
use fabric_gate::tenant::TenantId;

use crate::sample::{Sample, request};

fn arrived() -> Timestamp {
    Timestamp::from_seconds(1_795_000_000)
}

fn adjustment() -> AdjustmentFacts<'static> {
    AdjustmentFacts {
        id: "refund-\"1\"",
        tenant: "acme",
        scope: "tenant",
        value: "",
        cost_usd: "-1.50",
        at: arrived(),
        by: "admin",
        reason: "outage",
    }
}

/// A settlement, an adjustment, a warning, and a request that nobody was charged for.
fn written() -> Sample {
    let sample = Sample::new();
    let log = sample.open();
    let _ = log.append(&request("free")).unwrap();
    let facts = adjustment();
    let signature = facts.sign(log.keys());
    let events = [
        Event::Settlement {
            tenant: "acme",
            request_id: "late",
            arrived: arrived().plus_seconds(60),
            cost_usd: "0.003125",
            how: "recovered",
            model: Some("gpt-4o"),
            price_revision: None,
        },
        Event::Adjusted {
            facts: &facts,
            signature: &signature,
        },
        Event::CeilingWarning(CeilingWarning {
            tenant: "acme",
            scope: "user",
            value: "alice",
            window: "month",
            threshold: Some("0.8"),
            limit_usd: "10.00",
            spent_usd: "8.00",
            resets_at: Some(arrived()),
        }),
    ];
    for event in &events {
        let _ = log.event(event).unwrap();
    }
    log.shutdown().unwrap();
    sample
}

fn found(sample: &Sample, filter: &Filter) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    costs(&sample.settings, filter, |cost| {
        let booked = match cost.booked {
            Booked::Request(id) => id.to_owned(),
            Booked::Adjustment { id, signature } => {
                let signed = adjustment().is_signed(sample.open().keys(), signature);
                assert!(signed, "the log's own signature holds");
                id.to_owned()
            }
        };
        found.push((booked, cost.cost_usd.to_owned(), cost.at.to_owned()));
    })
    .unwrap();
    found
}

#[test]
fn late_settlements_and_adjustments_are_costs_at_the_time_they_count() {
    let sample = written();
    let late = (
        "late".to_owned(),
        "0.003125".to_owned(),
        arrived().plus_seconds(60).to_string(),
    );
    let refund = (
        "refund-\"1\"".to_owned(),
        "-1.50".to_owned(),
        arrived().to_string(),
    );
    assert_eq!(found(&sample, &Filter::default()), [late.clone(), refund]);
    let since = Filter {
        since: Some(arrived().plus_seconds(1)),
        ..Filter::default()
    };
    assert_eq!(found(&sample, &since), [late]);
    let globex = Filter {
        tenant: Some("globex".parse::<TenantId>().unwrap()),
        ..Filter::default()
    };
    assert!(found(&sample, &globex).is_empty());
}

#[test]
fn a_cost_that_was_edited_ends_the_count() {
    let sample = written();
    let file = &sample.files()[0];
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace("0.003125", "0.000125")).unwrap();
    let counted = costs(&sample.settings, &Filter::default(), |_| {});
    assert!(
        matches!(counted, Err(ExportError::Bad { .. })),
        "{counted:?}"
    );
}

#[test]
fn exports_name_the_ceiling_and_the_adjustment() {
    let sample = written();
    let exported = |format| {
        let mut out = Vec::new();
        export(
            &sample.settings,
            &SystemClock,
            &Filter::default(),
            format,
            &mut out,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    };
    let csv = exported(ExportFormat::Csv);
    let columns: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let warning = csv
        .lines()
        .find(|line| line.contains("ceiling_warning"))
        .unwrap();
    let cells: Vec<&str> = warning.split(',').collect();
    let cell = |name| cells[columns.iter().position(|column| *column == name).unwrap()];
    assert_eq!(cell("value"), "\"alice\"");
    assert_eq!(cell("threshold"), "\"0.8\"");
    assert_eq!(cell("limit_usd"), "\"10.00\"");
    let refund = csv.lines().find(|line| line.contains("adjusted")).unwrap();
    assert!(refund.contains("\"-1.50\""), "{refund}");

    let ocsf = exported(ExportFormat::Ocsf);
    let line = ocsf.lines().find(|line| line.contains("adjusted")).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(event["unmapped"]["cost_usd"], "-1.50");
    assert_eq!(event["metadata"]["tenant_uid"], "acme");
}
