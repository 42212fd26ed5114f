//! Costs that are known later: a task's, which its backend says when it is done.

use std::sync::Arc;

use fabric_gate::money::NanoUsd;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::stage::{Caller, Stage, ceiling, cost_of, tenant, until, usd};
use crate::standins::tasks::Tasks;
use crate::support::raw_client;

/// What is held for a task.
const HELD: &str = "0.40";

/// The routes of the tasks, followed as `follow` says.
fn routes(follow: &str) -> String {
    let reports = "reports = { state = [\"body:/state\", \"event:/state\"], \
                   done = [\"completed\"], failed = [\"failed\", \"cancelled\"] }";
    format!(
        r#"
[[routes]]
name = "task.create"
upstream = "backend"
methods = ["POST"]
path = "/tasks"
creates = {{ kind = "task", id = "body:/id", as = "uuid" }}
cost = {{ usd = "body:/cost_usd", reserve_usd = "{HELD}", follow = {{ by = "resource", {follow} }} }}

[[routes]]
name = "task.list"
upstream = "backend"
methods = ["GET"]
path = "/tasks"
list = {{ kind = "task", items = "body:/tasks", id = "/id", as = "uuid" }}
cost = {{ usd = "body:/cost_usd", {reports} }}

[[routes]]
name = "task.read"
upstream = "backend"
methods = ["GET"]
path = "/tasks/{{id}}"
resource = {{ kind = "task", id = "path:id", as = "uuid" }}
cost = {{ usd = "body:/cost_usd", {reports} }}

[[routes]]
name = "task.events"
upstream = "backend"
methods = ["GET"]
path = "/tasks/{{id}}/events"
resource = {{ kind = "task", id = "path:id", as = "uuid" }}
cost = {{ usd = "event:/cost_usd", {reports} }}

[[routes]]
name = "task.forget"
upstream = "backend"
methods = ["DELETE"]
path = "/tasks/{{id}}"
resource = {{ kind = "task", id = "path:id", as = "uuid" }}
deletes = true
"#
    )
}

/// A gate before a backend of tasks. `acme` may spend one dollar for good.
struct World {
    stage: Stage,
    tasks: Tasks,
}

impl World {
    async fn start(follow: &str) -> Self {
        let tasks = Tasks::start().await;
        let acme = tenant("acme", &[ceiling("tenant", "total", "1.00")]);
        let globex = tenant("globex", &[]);
        let policy = format!("{acme}{globex}{}", routes(follow));
        Self {
            stage: Stage::start(&tasks.server.url, &policy).await,
            tasks,
        }
    }

    /// A task of this caller, begun.
    async fn begin(&self, caller: &Caller) -> String {
        let answer = self.stage.ask(caller, "POST", "/tasks", "{}").await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Reads as this caller.
    async fn read(&self, caller: &Caller, target: &str) -> u16 {
        self.stage.ask(caller, "GET", target, "").await.status
    }

    /// What was settled so far behind the requests' own records.
    fn settlements(&self) -> Vec<Value> {
        let mut lines = self.stage.audit();
        lines.retain(|line| line["event"] == "settlement");
        lines
    }

    /// The settlements, once there are so many.
    async fn settled(&self, count: usize) -> Vec<Value> {
        let enough = || {
            let lines = self.settlements();
            (lines.len() >= count).then_some(lines)
        };
        until("settlements", async || enough()).await
    }

    /// What the only settlement says, after it is certain that nothing else is settled.
    async fn one_settlement(&self) -> (NanoUsd, String) {
        let lines = self.settled(1).await;
        assert_eq!(lines.len(), 1, "{lines:#?}");
        let how = lines[0]["how"].as_str().unwrap().to_owned();
        assert_eq!(lines[0]["tenant_id"], "acme");
        (cost_of(&lines[0]), how)
    }

    /// How many further tasks fit under acme's ceiling.
    async fn room(&self) -> usize {
        let alice = self.stage.alice();
        for fit in 0..4 {
            let answer = self.stage.ask(&alice, "POST", "/tasks", "{}").await;
            if answer.status == 429 {
                return fit;
            }
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
        4
    }
}

#[tokio::test]
async fn a_finished_task_costs_what_its_owner_is_told() {
    let world = World::start("seconds = 600").await;
    let alice = world.stage.alice();
    let id = world.begin(&alice).await;
    let begun = world.stage.records_of("task.create", 1).await;
    assert_eq!(begun[0]["cost_usd"], Value::Null, "nobody knows yet");

    assert_eq!(world.read(&alice, &format!("/tasks/{id}")).await, 200);
    assert_eq!(world.settlements(), Vec::<Value>::new(), "it goes on");

    world.tasks.end(&id, "completed", json!(0.07));
    assert_eq!(world.read(&alice, &format!("/tasks/{id}")).await, 200);
    let (cost, how) = world.one_settlement().await;
    assert_eq!((cost, &*how), (usd("0.07"), "settled"));
    let settled = world.settled(1).await;
    assert_eq!(settled[0]["request_id"], begun[0]["request_id"]);
    assert_eq!(world.stage.audited("acme"), usd("0.07"));
    // 0.07 and twice 0.40 are 0.87: the rest came back.
    assert_eq!(world.room().await, 2);
}

#[tokio::test]
async fn work_that_was_cancelled_or_failed_is_charged_and_never_nothing() {
    for (state, said, charged) in [
        ("cancelled", json!(0), HELD),
        ("failed", json!(null), HELD),
        ("failed", json!(0.0), HELD),
        ("failed", json!("0.11"), "0.11"),
        ("completed", json!(null), HELD),
        ("completed", json!(-1), HELD),
        ("completed", json!(0), "0.00"),
    ] {
        let world = World::start("seconds = 600").await;
        let alice = world.stage.alice();
        let id = world.begin(&alice).await;
        world.tasks.end(&id, state, said.clone());
        world.read(&alice, &format!("/tasks/{id}")).await;
        let (cost, _) = world.one_settlement().await;
        assert_eq!(cost, usd(charged), "{state} {said}");
    }
}

#[tokio::test]
async fn what_is_held_for_a_task_holds_until_somebody_tells_of_it() {
    let world = World::start("seconds = 600").await;
    world.begin(&world.stage.alice()).await;
    // 0.40 are held, so that 0.60 are left.
    assert_eq!(world.room().await, 1);
}

#[tokio::test]
async fn a_list_tells_of_the_callers_own_tasks_only() {
    let world = World::start("seconds = 600").await;
    let (alice, bob) = (world.stage.alice(), world.stage.bob());
    let first = world.begin(&alice).await;
    let second = world.begin(&alice).await;
    world.tasks.end(&first, "completed", json!(0.01));
    world.tasks.end(&second, "completed", json!(0.02));

    assert_eq!(world.read(&bob, "/tasks").await, 200);
    assert_eq!(world.read(&bob, &format!("/tasks/{first}")).await, 404);
    assert_eq!(world.settlements(), Vec::<Value>::new(), "bob has no task");

    assert_eq!(world.read(&alice, "/tasks").await, 200);
    let lines = world.settled(2).await;
    let costs: NanoUsd = lines.iter().map(cost_of).sum();
    assert_eq!(costs, usd("0.03"));
}

#[tokio::test]
async fn an_event_that_ends_the_task_settles_it() {
    let world = World::start("seconds = 600").await;
    let alice = world.stage.alice();
    let id = world.begin(&alice).await;
    world.tasks.end(&id, "completed", json!(0.05));
    assert_eq!(
        world.read(&alice, &format!("/tasks/{id}/events")).await,
        200
    );
    let (cost, _) = world.one_settlement().await;
    assert_eq!(cost, usd("0.05"));
}

#[tokio::test]
async fn the_gate_asks_by_itself_as_whoever_began_it() {
    let follow = "seconds = 600, ask = \"task.read\", every_seconds = 1";
    let world = World::start(follow).await;
    let alice = world.stage.caller_with("acme", "alice", &["lead"]);
    let id = world.begin(&alice).await;
    until("a question", async || {
        (world.tasks.readings(&id) > 0).then_some(())
    })
    .await;
    assert_eq!(world.settlements(), Vec::<Value>::new(), "it goes on");
    world.tasks.end(&id, "completed", json!(0.09));
    let (cost, how) = world.one_settlement().await;
    assert_eq!((cost, &*how), (usd("0.09"), "settled"));

    let asked = world.tasks.server.last(&format!("GET /tasks/{id}"));
    assert_eq!(asked.header("x-fabric-tenant"), ["acme"]);
    assert_eq!(asked.header("x-fabric-user"), ["alice"]);
    assert_eq!(asked.header("x-fabric-roles"), ["lead"]);
    let none: [&str; 0] = [];
    assert_eq!(asked.header("authorization"), none, "no token is kept");
}

#[tokio::test]
async fn a_task_that_nobody_tells_of_costs_what_was_held() {
    let world = World::start("seconds = 1").await;
    world.begin(&world.stage.alice()).await;
    let (cost, how) = world.one_settlement().await;
    assert_eq!((cost, &*how), (usd(HELD), "expired"));
}

#[tokio::test]
async fn a_task_that_was_deleted_costs_what_was_held() {
    let world = World::start("seconds = 600").await;
    let alice = world.stage.alice();
    let id = world.begin(&alice).await;
    let target = format!("/tasks/{id}");
    let foreign = world
        .stage
        .ask(&world.stage.bob(), "DELETE", &target, "")
        .await;
    assert_eq!(foreign.status, 404);
    assert_eq!(world.settlements(), Vec::<Value>::new());
    let gone = world.stage.ask(&alice, "DELETE", &target, "").await;
    assert_eq!(gone.status, 204);
    let (cost, _) = world.one_settlement().await;
    assert_eq!(cost, usd(HELD));
}

#[tokio::test]
async fn many_who_read_at_once_settle_once() {
    let world = World::start("seconds = 600").await;
    let alice = world.stage.alice();
    let id = world.begin(&alice).await;
    world.tasks.end(&id, "completed", json!(0.07));
    let request: Arc<[u8]> = alice
        .request("GET", &format!("/tasks/{id}"), &[], "")
        .into();
    let mut readers = JoinSet::new();
    for _ in 0..16 {
        let (address, request) = (world.stage.gate.address().clone(), Arc::clone(&request));
        readers.spawn(async move {
            raw_client::exchange(&address, request.to_vec())
                .await
                .status
        });
    }
    while let Some(status) = readers.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    let (cost, _) = world.one_settlement().await;
    assert_eq!(cost, usd("0.07"));
    assert_eq!(world.stage.audited("acme"), usd("0.07"));
}

#[tokio::test]
async fn a_task_outlives_the_gate_that_began_it() {
    let mut world = World::start("seconds = 600").await;
    let alice = world.stage.alice();
    let id = world.begin(&alice).await;
    world.stage.gate.kill();
    world.stage.gate.start_again().await;
    assert_eq!(world.room().await, 1, "it is still held");
    world.tasks.end(&id, "completed", json!(0.07));
    assert_eq!(world.read(&alice, &format!("/tasks/{id}")).await, 200);
    let (cost, how) = world.one_settlement().await;
    assert_eq!((cost, &*how), (usd("0.07"), "settled"));
}

#[tokio::test]
async fn of_two_gates_on_one_ledger_one_settles() {
    let world = World::start("seconds = 600").await;
    let other = world.stage.another_gate().await;
    let alice = world.stage.alice();
    let id = world.begin(&alice).await;
    world.tasks.end(&id, "completed", json!(0.07));
    let request = alice.request("GET", &format!("/tasks/{id}"), &[], "");
    let (here, there) = tokio::join!(
        raw_client::exchange(world.stage.gate.address(), request.clone()),
        raw_client::exchange(other.address(), request),
    );
    assert_eq!((here.status, there.status), (200, 200));
    let settled = async || {
        let lines = [world.stage.audit(), crate::stage::audit_of(&other)].concat();
        let settled = lines.iter().filter(|line| line["event"] == "settlement");
        let costs: Vec<NanoUsd> = settled.map(cost_of).collect();
        (!costs.is_empty()).then_some(costs)
    };
    assert_eq!(until("a settlement", settled).await, [usd("0.07")]);
}
