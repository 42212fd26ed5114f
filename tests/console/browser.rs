//! A headless Chromium and its pages, over the DevTools protocol.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::support::within;

/// How often a state that nobody announces is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Names under which systems know the browser.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A running browser. Dropping it ends it.
pub struct Browser {
    child: Child,
    profile: TempDir,
    wire: Arc<Wire>,
}

/// What is sent, who waits for which answer, and what was told unasked.
struct Wire {
    out: mpsc::UnboundedSender<String>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    events: Mutex<Vec<Value>>,
}

/// One tab.
pub struct Page {
    wire: Arc<Wire>,
    session: String,
}

impl Browser {
    /// Starts it.
    ///
    /// # Panics
    /// There is none: `scripts/setup test` installs one.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = NAMES
            .iter()
            .find_map(|name| {
                Command::new(name)
                    .args([
                        "--headless",
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-dev-shm-usage",
                        "--disable-quic",
                        "--disable-background-networking",
                        "--disable-component-update",
                        "--disable-sync",
                        "--disable-extensions",
                        "--no-first-run",
                        "--no-default-browser-check",
                        "--hide-scrollbars",
                        "--force-color-profile=srgb",
                        "--lang=en-GB",
                        "--remote-debugging-port=0",
                    ])
                    .arg(format!("--user-data-dir={}", profile.path().display()))
                    .arg("about:blank")
                    .env("TZ", "UTC")
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .ok()
            })
            .unwrap_or_else(|| panic!("no Chromium is installed: run `scripts/setup test`"));
        let port_file = profile.path().join("DevToolsActivePort");
        let url = until("the browser", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the browser ended with {status}");
            }
            let text = std::fs::read_to_string(&port_file).ok()?;
            let (port, path) = text.split_once('\n')?;
            Some(format!("ws://127.0.0.1:{port}{}", path.trim()))
        })
        .await;
        Self {
            child,
            profile,
            wire: Wire::connect(&url).await,
        }
    }

    /// A tab of this size at `url`.
    pub async fn open(&self, url: &str, (width, height): (u32, u32)) -> Page {
        let target = json!({ "url": "about:blank" });
        let target = self.wire.call(None, "Target.createTarget", target).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.wire.call(None, "Target.attachToTarget", attach).await;
        let page = Page {
            wire: Arc::clone(&self.wire),
            session: attached["sessionId"].as_str().unwrap().to_owned(),
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        // A policy that is broken is told of as an event of the page, which the page itself can't hide.
        let listen = "window.violations = []; document.addEventListener('securitypolicyviolation', \
                      (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`))";
        page.call(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": listen }),
        )
        .await;
        page.resize(width, height).await;
        let params = json!({ "features": [still()] });
        page.call("Emulation.setEmulatedMedia", params).await;
        page.call("Page.navigate", json!({ "url": url })).await;
        page.until("document.readyState === 'complete'").await;
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Wire {
    async fn connect(url: &str) -> Arc<Self> {
        // A screenshot is larger than what a message may be by default.
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let connecting = tokio_tungstenite::connect_async_with_config(url, Some(config), false);
        let (socket, _) = within("the browser's socket", connecting).await.unwrap();
        let (mut to, mut from) = socket.split();
        let (out, mut outgoing) = mpsc::unbounded_channel::<String>();
        let wire = Arc::new(Self {
            out,
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            events: Mutex::default(),
        });
        tokio::spawn(async move {
            while let Some(text) = outgoing.recv().await {
                if to.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
        });
        let told = Arc::clone(&wire);
        tokio::spawn(async move {
            while let Some(Ok(message)) = from.next().await {
                let Ok(text) = message.to_text() else {
                    continue;
                };
                let Ok(value) = serde_json::from_str::<Value>(text) else {
                    continue;
                };
                match value["id"].as_u64() {
                    Some(id) => {
                        if let Some(waiting) = told.waiting.lock().unwrap().remove(&id) {
                            let _ = waiting.send(value);
                        }
                    }
                    None => told.events.lock().unwrap().push(value),
                }
            }
        });
        wire
    }

    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let answer = self.ask(session, method, params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The result of a command, or what the browser says against it.
    async fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, answer);
        self.out.send(message.to_string()).unwrap();
        let mut answer = within(method, answered).await.unwrap();
        match answer["error"].is_null() {
            true => Ok(answer["result"].take()),
            false => Err(answer),
        }
    }
}

impl Page {
    /// One command of the protocol.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        self.wire.call(Some(&self.session), method, params).await
    }

    /// Value of an expression; a promise is waited for.
    ///
    /// # Panics
    /// It throws.
    pub async fn value(&self, expression: &str) -> Value {
        let params = json!({
            "expression": expression,
            "returnByValue": true,
            "awaitPromise": true,
        });
        let mut answer = self.call("Runtime.evaluate", params).await;
        let thrown = &answer["exceptionDetails"];
        assert!(thrown.is_null(), "{expression}: {thrown:#}");
        answer["result"]["value"].take()
    }

    /// The same as text.
    pub async fn text(&self, expression: &str) -> String {
        let value = self.value(expression).await;
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
            .to_owned()
    }

    /// The text of the first element that matches.
    pub async fn text_of(&self, selector: &str) -> String {
        let selector = Value::from(selector);
        self.text(&format!("document.querySelector({selector}).innerText"))
            .await
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// It does not become true in time; the message has what the page says.
    pub async fn until(&self, expression: &str) {
        let asked =
            json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
        let session = Some(self.session.as_str());
        let holds = async {
            loop {
                // A page that is about to be another one answers nothing.
                let answer = self
                    .wire
                    .ask(session, "Runtime.evaluate", asked.clone())
                    .await;
                if answer.is_ok_and(|it| it["result"]["value"] == true) {
                    break;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        if tokio::time::timeout(crate::support::DEADLINE, holds)
            .await
            .is_err()
        {
            let shown = self.text("document.body.innerText").await;
            panic!("`{expression}` does not come true. The page says:\n{shown}");
        }
    }

    /// Has the panels look again without waiting for their time, as coming back to the tab does.
    pub async fn look_again(&self) {
        self.value("document.dispatchEvent(new Event('visibilitychange'))")
            .await;
    }

    /// Presses the first button that matches, by keyboard: a page that is still filling moves what a
    /// mouse would aim at.
    pub async fn click(&self, selector: &str) {
        let it = format!("document.querySelector({})", Value::from(selector));
        self.until(&it).await;
        self.value(&format!("{it}.focus()")).await;
        self.press("Enter").await;
    }

    /// Types into the first element that matches, in the place of what is there.
    pub async fn fill(&self, selector: &str, text: &str) {
        let quoted = Value::from(selector);
        let focus = format!("document.querySelector({quoted}).focus()");
        self.value(&focus).await;
        self.value(&format!("document.querySelector({quoted}).select?.()"))
            .await;
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key: `Tab`, `Enter`, ` `.
    pub async fn press(&self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            " " => ("Space", 32, " "),
            other => panic!("no key `{other}`"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({
                "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number,
            });
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", params).await;
        }
    }

    /// Gives the tab another size.
    pub async fn resize(&self, width: u32, height: u32) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", params)
            .await;
    }

    /// Pretends that the system is dark or light.
    pub async fn prefer(&self, scheme: &str) {
        let scheme = json!({ "name": "prefers-color-scheme", "value": scheme });
        let params = json!({ "features": [scheme, still()] });
        self.call("Emulation.setEmulatedMedia", params).await;
    }

    /// A picture, kept as `target/console/NAME.png`: of the whole page, or of an element.
    pub async fn picture(&self, name: &str, of: Option<&str>) -> PathBuf {
        let quoted = Value::from(of.unwrap_or("html"));
        let mut clip = self
            .value(&format!(
                "(() => {{ const box = document.querySelector({quoted}).getBoundingClientRect(); \
                 return {{x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height}}; }})()"
            ))
            .await;
        clip["scale"] = 1.into();
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.call("Page.captureScreenshot", params).await;
        keep(name, &shot)
    }

    /// A picture of what is on the screen, kept likewise.
    pub async fn screen(&self, name: &str) -> PathBuf {
        self.value("window.scrollTo(0, 0)").await;
        let shot = self
            .call("Page.captureScreenshot", json!({ "format": "png" }))
            .await;
        keep(name, &shot)
    }

    /// What the browser told of this tab so far, by the name of the event.
    pub fn told(&self, method: &str) -> Vec<Value> {
        let events = self.wire.events.lock().unwrap();
        events
            .iter()
            .filter(|event| event["method"] == method && event["sessionId"] == *self.session)
            .map(|event| event["params"].clone())
            .collect()
    }

    /// From here on the page gets this in the place of what the gate answers under paths with this
    /// end; status 0 is no answer at all.
    pub async fn spoil(&self, path: &str, status: u16, body: &str) {
        let (path, body) = (Value::from(path), Value::from(body));
        self.value(&format!(
            "(() => {{ window.honest ??= window.fetch; window.fetch = (url, options) => \
             !new URL(url).pathname.endsWith({path}) ? window.honest(url, options) : \
             {status} ? Promise.resolve(new Response({body}, {{ status: {status} }})) : \
             Promise.reject(new TypeError('Failed to fetch')); }})()"
        ))
        .await;
    }

    /// The gate's answers reach the page again.
    pub async fn spoil_no_more(&self) {
        self.value("void (window.fetch = window.honest)").await;
    }

    /// Everything that the page's scripts have in memory, as the browser writes it down.
    pub async fn memory(&self) -> String {
        self.call("HeapProfiler.collectGarbage", json!({})).await;
        self.call("HeapProfiler.takeHeapSnapshot", json!({})).await;
        let chunks = self.told("HeapProfiler.addHeapSnapshotChunk");
        self.wire.events.lock().unwrap().clear();
        let chunks = chunks.iter().map(|chunk| chunk["chunk"].as_str().unwrap());
        chunks.collect()
    }

    /// Everything that went wrong in the page: broken policy, errors of scripts, warnings of the
    /// browser. An answer that is a refusal is none; which there are the tests know.
    pub async fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for entry in self.told("Log.entryAdded") {
            let entry = &entry["entry"];
            if entry["source"] != "network" {
                complaints.push(entry.to_string());
            }
        }
        for call in self.told("Runtime.consoleAPICalled") {
            complaints.push(call["args"].to_string());
        }
        for thrown in self.told("Runtime.exceptionThrown") {
            complaints.push(thrown.to_string());
        }
        let violations = self.value("window.violations").await;
        for violation in violations.as_array().unwrap() {
            complaints.push(violation.to_string());
        }
        complaints
    }

    /// Addresses of all requests of the tab.
    pub fn requested(&self) -> Vec<String> {
        self.told("Network.requestWillBeSent")
            .iter()
            .map(|event| event["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Statuses of refusals, with the address.
    pub fn refusals(&self) -> Vec<(u64, String)> {
        self.told("Network.responseReceived")
            .iter()
            .map(|event| {
                let response = &event["response"];
                let url = response["url"].as_str().unwrap().to_owned();
                (response["status"].as_u64().unwrap(), url)
            })
            .filter(|(status, _)| *status >= 400)
            .collect()
    }
}

/// No movement: what is scrolled to is there at once.
fn still() -> Value {
    json!({ "name": "prefers-reduced-motion", "value": "reduce" })
}

fn keep(name: &str, shot: &Value) -> PathBuf {
    let folder = pictures();
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.png"));
    let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Where pictures are kept.
fn pictures() -> PathBuf {
    // Beside the binaries of whatever target directory is used.
    let mut folder = std::env::current_exe().unwrap();
    while folder.file_name().is_some_and(|name| name != "deps") {
        folder.pop();
    }
    folder.pop();
    folder.pop();
    folder.join("console")
}

/// Asks until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await
}
