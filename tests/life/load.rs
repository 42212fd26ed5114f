//! Clients that keep their connections and forgive nothing.
//!
//! A client sends a request only on a connection that has not been told to close, and never sends
//! one twice: whatever happens to a request that was sent is counted against the gate.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::DEADLINE;
use crate::support::h2_client;
use crate::support::http1::{Connection, Unframed};
use crate::support::transport::Address;
use crate::world::get;

/// Pause of a client between two requests: the load has to be steady, not as heavy as can be.
const PAUSE: Duration = Duration::from_millis(2);

/// What came of the requests of a load.
#[derive(Debug, Default)]
pub struct Tally {
    /// Status by the answer's request id.
    pub answers: HashMap<String, u16>,
    /// Requests that were sent and had no whole answer, and why.
    pub failures: Vec<String>,
    /// Requests over HTTP/2 that crossed the server's last GOAWAY, which says that they were not
    /// looked at (RFC 9113 section 6.8).
    pub turned_away: usize,
    /// Connections that were opened.
    pub connections: usize,
}

impl Tally {
    /// How many answers had this status.
    pub fn count(&self, status: u16) -> usize {
        self.answers
            .values()
            .filter(|found| **found == status)
            .count()
    }

    /// # Panics
    /// A request failed, or was answered with anything but 200.
    pub fn assert_all_ok(&self) {
        assert!(
            self.failures.is_empty(),
            "{} of {} requests failed, among them: {:?}",
            self.failures.len(),
            self.answers.len() + self.failures.len(),
            &self.failures[..self.failures.len().min(5)]
        );
        let other: Vec<_> = self
            .answers
            .iter()
            .filter(|(_, status)| **status != 200)
            .collect();
        assert!(
            other.is_empty(),
            "{} answers were not 200: {:?}",
            other.len(),
            &other[..other.len().min(5)]
        );
    }

    fn absorb(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.failures.extend(other.failures);
        self.turned_away += other.turned_away;
        self.connections += other.connections;
    }
}

/// What the clients ask for.
#[derive(Clone)]
pub struct Plan {
    /// The gate.
    pub address: Address,
    /// The target.
    pub target: String,
    /// The token.
    pub token: String,
}

/// A running load.
pub struct Load {
    clients: JoinSet<Tally>,
    stop: Arc<AtomicBool>,
    answered: watch::Sender<usize>,
}

impl Load {
    /// Starts so many clients of HTTP/1.1 and of HTTP/2.
    pub fn start(plan: &Plan, http1: usize, http2: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = watch::Sender::default();
        let mut clients = JoinSet::new();
        for number in 0..http1 + http2 {
            let client = Client {
                plan: plan.clone(),
                stop: Arc::clone(&stop),
                answered: answered.clone(),
                tally: Tally::default(),
            };
            if number < http1 {
                clients.spawn(client.speak_http1());
            } else {
                clients.spawn(client.speak_http2());
            }
        }
        Self {
            clients,
            stop,
            answered,
        }
    }

    /// Waits until so many more requests were answered.
    pub async fn more(&self, count: usize) {
        let wanted = *self.answered.borrow() + count;
        let mut receiver = self.answered.subscribe();
        let waiting = receiver.wait_for(|answered| *answered >= wanted);
        crate::support::within("answers under load", waiting)
            .await
            .unwrap();
    }

    /// Lets every client finish the request it is at, and says what came of all.
    pub async fn stop(mut self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        self.tally().await
    }

    /// Waits for clients that nobody can serve any longer, without telling them to stop.
    pub async fn until_refused(mut self) -> Tally {
        self.tally().await
    }

    async fn tally(&mut self) -> Tally {
        let mut all = Tally::default();
        while let Some(tally) = self.clients.join_next().await {
            all.absorb(tally.unwrap());
        }
        all
    }
}

struct Client {
    plan: Plan,
    stop: Arc<AtomicBool>,
    answered: watch::Sender<usize>,
    tally: Tally,
}

impl Client {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn answered(&mut self, id: Option<&str>, status: u16) {
        match id {
            Some(id) => {
                self.tally.answers.insert(id.to_owned(), status);
                self.answered.send_modify(|count| *count += 1);
            }
            None => self
                .tally
                .failures
                .push(format!("{status} without X-Request-Id")),
        }
    }

    async fn speak_http1(mut self) -> Tally {
        let request = get(&self.plan.target, &self.plan.token);
        while !self.stopped() {
            let Ok(stream) = self.plan.address.connect().await else {
                return self.tally;
            };
            self.tally.connections += 1;
            let mut connection = Connection::new(stream);
            while !self.stopped() {
                let asked = tokio::time::timeout(DEADLINE, ask_http1(&mut connection, &request));
                match asked
                    .await
                    .unwrap_or_else(|_| Err("no answer in time".to_owned()))
                {
                    Ok(answer) => {
                        self.answered(answer.request_id.as_deref(), answer.status);
                        if answer.closes {
                            break;
                        }
                    }
                    Err(failure) => {
                        self.tally.failures.push(format!("HTTP/1.1: {failure}"));
                        break;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.tally
    }

    async fn speak_http2(mut self) -> Tally {
        let authorization = format!("Bearer {}", self.plan.token);
        while !self.stopped() {
            let Ok(stream) = self.plan.address.connect().await else {
                return self.tally;
            };
            let Ok((sender, connection)) = h2::client::handshake(stream).await else {
                return self.tally;
            };
            self.tally.connections += 1;
            let driver = tokio::spawn(async move {
                let _ = connection.await;
            });
            while !self.stopped() {
                // A connection that was told to go away takes no further request.
                let Ok(mut ready) = sender.clone().ready().await else {
                    break;
                };
                let request = h2_client::request(
                    "GET",
                    &self.plan.target,
                    &[("authorization", &authorization)],
                );
                // Refused before it was sent: the connection went away since it was ready.
                let Ok((response, _)) = ready.send_request(request, true) else {
                    break;
                };
                let asked = async { h2_client::read_whole(response.await?).await };
                match tokio::time::timeout(DEADLINE, asked).await {
                    Ok(Ok(answer)) => {
                        let id = answer.head.headers.get("x-request-id");
                        let id = id.map(|id| id.to_str().unwrap().to_owned());
                        self.answered(id.as_deref(), answer.head.status.as_u16());
                    }
                    Ok(Err(error)) if error.is_go_away() && no_error(&error) => {
                        self.tally.turned_away += 1;
                        break;
                    }
                    Ok(Err(error)) => {
                        self.tally.failures.push(format!("HTTP/2: {error}"));
                        break;
                    }
                    Err(_) => {
                        self.tally
                            .failures
                            .push("HTTP/2: no answer in time".to_owned());
                        break;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
            driver.abort();
        }
        self.tally
    }
}

fn no_error(error: &h2::Error) -> bool {
    error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}

struct Answered {
    status: u16,
    request_id: Option<String>,
    closes: bool,
}

async fn ask_http1(connection: &mut Connection, request: &[u8]) -> Result<Answered, String> {
    let sent = connection.send(request).await;
    sent.map_err(|error| format!("not sent: {error}"))?;
    let head = connection.read_head().await;
    let head = head.map_err(|error| format!("no head: {error}"))?;
    let head = head.ok_or("closed without an answer")?;
    let body = connection.read_body(&head, Unframed::ToTheEnd).await;
    if !body.complete {
        return Err("the answer broke off".to_owned());
    }
    Ok(Answered {
        status: head.word(1).parse().map_err(|_| head.text())?,
        request_id: head.value("x-request-id"),
        closes: head
            .values("connection")
            .iter()
            .any(|value| value == "close"),
    })
}
