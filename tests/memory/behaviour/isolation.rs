//! Non-interference: what one caller is answered is the same with and without another beside it.

use fabric_gate::memory::{Caller, Fields, Quotas};

use super::drawing::{Draft, QUOTAS, Step, Turn};
use super::sequences::{Side, drawn, erase};
use super::stage::{OPEN, Stage};
use crate::people::{NOW, caller};

/// In everything that the other one writes.
const CANARY: &str = "canaryquartz";

/// What `one` is answered turn by turn, `other` taking its own turns in between if it is there.
async fn answers(
    stage: &Stage,
    quotas: &Quotas,
    one: &[Caller],
    other: Option<(&Caller, &[Turn])>,
    turns: &[Turn],
) -> Vec<String> {
    let mut mine = Side::new(&*stage.store, quotas.clone());
    let mut theirs = Side::new(&*stage.store, quotas.clone());
    let (mut now, mut told) = (NOW, Vec::new());
    for (number, (who, shared, pause, step)) in turns.iter().enumerate() {
        now = now.plus_seconds(pause + 1);
        if let Some((other, steps)) = other {
            let (_, shared, _, step) = &steps[number % steps.len()];
            if !matches!(step, Step::EraseUser(_) | Step::EraseTenant) {
                let step = marked(step.clone());
                theirs.take(other, *shared, now, &step).await;
            }
        }
        let who = &one[who % one.len()];
        told.push(mine.take(who, *shared, now, step).await);
    }
    told
}

/// The step with the canary in all that it writes, and at its beginning what others write as well.
fn marked(mut step: Step) -> Step {
    if let Step::Write(drafts) = &mut step {
        for draft in drafts {
            if let Draft::Create(_, fields)
            | Draft::Put(_, fields, _)
            | Draft::Replace(_, fields, ..) = draft
            {
                mark(fields);
            }
        }
    }
    step
}

fn mark(fields: &mut Fields) {
    fields.content.push_str(" fox ");
    fields.content.push_str(CANARY);
    fields.agent = Some(CANARY.to_owned());
    fields.tags.push(CANARY.to_owned());
}

async fn stays_the_same(stage: &Stage, quotas: &Quotas, one: &[Caller], other: &Caller) {
    for seed in 100..104 {
        let (mut turns, others) = (drawn(seed), drawn(seed + 1000));
        if one.iter().any(|one| one.tenant() == other.tenant()) {
            // An administrator is told what it erases, whoever wrote it.
            turns.retain(|(.., step)| !matches!(step, Step::EraseUser(_) | Step::EraseTenant));
        }
        let alone = answers(stage, quotas, one, None, &turns).await;
        erase(stage).await;
        let beside = Some((other, others.as_slice()));
        let both = answers(stage, quotas, one, beside, &turns).await;
        erase(stage).await;
        for (number, (alone, both)) in alone.iter().zip(&both).enumerate() {
            let step = &turns[number].3;
            assert_eq!(both, alone, "seed {seed}, turn {number}: {step:?}");
            assert!(
                !both.contains(CANARY),
                "seed {seed}, turn {number}: {step:?}"
            );
        }
        assert!(alone.iter().any(|told| told.starts_with("created")));
    }
}

pub(crate) async fn nobody_in_another_tenant_changes_an_answer(stage: &Stage) {
    let one = [
        caller("acme", "alice", &["lead"]),
        caller("acme", "bob", &["secret"]),
    ];
    for other in [
        caller("globex", "alice", &["lead"]),
        caller("globex", "bob", &["lead"]),
    ] {
        stays_the_same(stage, &QUOTAS, &one, &other).await;
    }
}

pub(crate) async fn no_other_user_changes_an_answer(stage: &Stage) {
    // A tenant's own bounds are for all of its users together.
    let quotas = Quotas {
        user_bytes: QUOTAS.user_bytes,
        user_entries: QUOTAS.user_entries,
        ..OPEN
    };
    let one = [
        caller("acme", "alice", &["lead"]),
        caller("acme", "alice", &["secret"]),
    ];
    for user in ["bob", "al", "Alice", "alice:"] {
        // Who writes shared memory is meant to be seen.
        let other = caller("acme", user, &["secret"]);
        stays_the_same(stage, &quotas, &one, &other).await;
    }
}
