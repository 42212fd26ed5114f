//! A gate with three tenants that were busy, an answer that goes on, and a browser before it.

use serde_json::{Value, json};

use crate::browser::{Browser, Page, until};
use crate::support::gate_process::{GateBuilder, GateProcess};
use crate::support::raw_client::{self, RawClient, RawResponse};
use crate::support::recording_backend::{Answer, RecordingBackend};
use crate::support::tokens::{SigningKey, claims};

/// The admin token of the gates that tests start.
pub const TOKEN: &str = "test-admin-token-of-32-characters";

/// A user whom only text should make of.
pub const HOSTILE: &str = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=2</script>";

/// Size of a desk's screen.
pub const DESK: (u32, u32) = (1440, 900);
/// Size of a phone's.
pub const PHONE: (u32, u32) = (390, 844);

const POLICY: &str = r#"
[[tenants]]
id = "acme"
[[tenants.ceilings]]
scope = "tenant"
window = "month"
usd = "2.50"
[[tenants.ceilings]]
scope = "user"
window = "day"
usd = "0.75"

[[tenants]]
id = "globex"
[[tenants.ceilings]]
scope = "tenant"
window = "day"
usd = "0.32"

[[tenants]]
id = "initech"
[[tenants.ceilings]]
scope = "tenant"
window = "month"
usd = "40.00"
[[tenants.ceilings]]
scope = "tenant"
window = "total"
usd = "500.00"

[[routes]]
name = "chat.complete"
upstream = "agents"
methods = ["POST"]
path = "/chat"
cost = { usd = "body:/cost_usd", reserve_usd = "0.05" }

[[routes]]
name = "session.create"
upstream = "agents"
methods = ["POST"]
path = "/sessions"
creates = { kind = "session", id = "body:/id" }

[[routes]]
name = "session.read"
upstream = "agents"
methods = ["GET"]
path = "/sessions/{id}"
resource = { kind = "session", id = "path:id" }

[[routes]]
name = "settings.write"
upstream = "agents"
methods = ["PUT"]
path = "/settings"
roles = ["admin"]

[[routes]]
name = "events"
upstream = "agents"
methods = ["GET"]
path = "/events"
"#;

/// A gate and its browser.
pub struct Stage {
    pub gate: GateProcess,
    pub browser: Browser,
    backend: RecordingBackend,
    key: SigningKey,
    streams: Vec<RawClient>,
}

impl Stage {
    /// A gate that nobody has asked anything.
    pub async fn idle() -> Self {
        Self::idle_with(|builder| builder).await
    }

    /// The same, with a gate that `change` changes before it starts.
    pub async fn idle_with(change: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        let backend = RecordingBackend::start(|request| match request.target().as_str() {
            "/chat" if request.body.content == b"hold" => {
                Answer::nothing().until_the_client_leaves()
            }
            "/events" => Answer::event_stream()
                .event("one")
                .until_the_client_leaves(),
            "/sessions" => {
                let id = String::from_utf8_lossy(&request.body.content).into_owned();
                Answer::json(201, &json!({ "id": id }).to_string())
            }
            _ => Answer::json(200, r#"{"ok":true,"cost_usd":0.030000001}"#),
        })
        .await;
        let builder = GateProcess::builder();
        let key = SigningKey::ed25519("key");
        let jwks = key.write_jwks(builder.folder());
        let upstream = format!(
            "[[upstreams]]\nname = \"agents\"\nurl = \"{}\"\n",
            backend.url()
        );
        let builder = builder
            .policy(key.policy(&jwks))
            .policy(upstream)
            .policy(POLICY);
        let (gate, browser) = tokio::join!(change(builder).start(), Browser::start());
        Self {
            gate,
            browser,
            backend,
            key,
            streams: Vec::new(),
        }
    }

    /// A gate whose tenants were busy: requests let pass and refused for several reasons, money spent
    /// under ceilings, one of which is nearly reached, sessions owned, a stream open.
    pub async fn busy() -> Self {
        let mut stage = Self::idle().await;
        for (tenant, user, calls) in [
            ("acme", "alice", 18),
            ("acme", "bob", 9),
            ("globex", "carol", 9),
            ("globex", "dave", 3),
            ("initech", "erin", 24),
            ("initech", HOSTILE, 2),
        ] {
            for _ in 0..calls {
                stage.ask((tenant, user), "POST", "/chat", "{}").await;
            }
        }
        for session in ["sess-7f3a91", "sess-b20c44", "sess-e9d017"] {
            let alice = ("acme", "alice");
            let made = stage.ask(alice, "POST", "/sessions", session).await;
            assert_eq!(made.status, 201, "{made:?}");
            let at = format!("/sessions/{session}");
            assert_eq!(stage.ask(alice, "GET", &at, "").await.status, 200);
            let foreign = stage.ask(("globex", "carol"), "GET", &at, "").await;
            assert_eq!(foreign.status, 404, "{foreign:?}");
        }
        for _ in 0..4 {
            let refused = stage
                .ask(("initech", "erin"), "PUT", "/settings", "{}")
                .await;
            assert_eq!(refused.status, 403, "{refused:?}");
        }
        let nobody = raw_client::request("GET", "/sessions/x", &[], b"");
        for _ in 0..2 {
            let refused = raw_client::exchange(stage.gate.address(), &nobody).await;
            assert_eq!(refused.status, 401, "{refused:?}");
        }
        stage.open_stream(("acme", "alice")).await;
        stage.settled().await;
        stage
    }

    /// One request.
    pub async fn ask(
        &self,
        caller: (&str, &str),
        method: &str,
        target: &str,
        body: &str,
    ) -> RawResponse {
        let request = self.request(caller, method, target, body);
        raw_client::exchange(self.gate.address(), request).await
    }

    fn request(
        &self,
        (tenant, user): (&str, &str),
        method: &str,
        target: &str,
        body: &str,
    ) -> Vec<u8> {
        let token = self.key.sign(&claims(tenant, user, &[]));
        let authorization = format!("Bearer {token}");
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        raw_client::request(method, target, &headers, body.as_bytes())
    }

    /// Opens a stream that stays open.
    pub async fn open_stream(&mut self, caller: (&str, &str)) {
        let mut client = RawClient::connect(self.gate.address()).await;
        client
            .send(self.request(caller, "GET", "/events", ""))
            .await;
        client.read_until("data: one\n\n").await;
        self.streams.push(client);
    }

    /// Begins a call that has money reserved for as long as the stage lives, and waits until it has.
    pub async fn hold(&mut self, caller: (&str, &str)) {
        let mut client = RawClient::connect(self.gate.address()).await;
        client
            .send(self.request(caller, "POST", "/chat", "hold"))
            .await;
        self.streams.push(client);
        let page = format!("/v1/tenants/{}/spend", caller.0);
        until("the reservation", async || {
            let spend = self.api(&page).await;
            (spend["ceilings"][0]["reserved_usd"] == "0.05").then_some(())
        })
        .await;
    }

    /// Ends the streams.
    pub fn close_streams(&mut self) {
        self.streams.clear();
    }

    /// Waits until the log has every request that has ended.
    async fn settled(&self) {
        until("the log", async || {
            let series = self.api("/v1/series").await;
            let counted = sum(&series["permitted"])
                + series["refused"]
                    .as_object()?
                    .values()
                    .map(sum)
                    .sum::<u64>();
            let page = self.api("/v1/audit?limit=1000").await;
            let records = page["records"].as_array()?.iter();
            let recorded = records.filter(|record| record["kind"] == "request").count() as u64;
            (counted == recorded && counted > 0).then_some(())
        })
        .await;
    }

    /// An answer of the admin API.
    pub async fn api(&self, target: &str) -> Value {
        let answer = self.gate.admin("GET", target, b"").await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }

    /// Address of the console.
    pub fn url(&self) -> String {
        format!("http://{}/", self.gate.admin_address().authority())
    }

    /// The console before anybody has signed in.
    pub async fn page(&self, size: (u32, u32)) -> Page {
        self.browser.open(&self.url(), size).await
    }

    /// The console with somebody signed in, once every panel has something.
    pub async fn console(&self, size: (u32, u32)) -> Page {
        let page = self.page(size).await;
        sign_in(&page).await;
        page
    }
}

/// Signs in and waits for the panels.
pub async fn sign_in(page: &Page) {
    page.until("!document.querySelector('#sign-in-form').hidden && !document.querySelector('#sign-in').hidden").await;
    page.fill("#token", TOKEN).await;
    page.press("Enter").await;
    page.until("document.querySelectorAll('#figures > div').length === 6")
        .await;
    page.until("document.querySelector('#tail-state').textContent === 'Live'")
        .await;
}

/// Sum of a list of numbers.
pub fn sum(numbers: &Value) -> u64 {
    let numbers = numbers.as_array().into_iter().flatten();
    numbers.filter_map(Value::as_u64).sum()
}
