//! Backends that are not called, or not only through the gate.

use std::net::IpAddr;

use super::{Findings, Lint, Subject};
use crate::policy::{UpstreamAddress, UpstreamPolicy};

pub(super) static UPSTREAM_WITHOUT_ROUTE: Lint = Lint {
    name: "upstream-without-route",
    what: "an upstream that no route leads to",
    why: "nothing of it can be called through the gate; requests meant for it are answered 404",
    remedy: "write a `[[routes]]` entry with it, or say the `profile` that it is",
    look: without_route,
};

pub(super) static UPSTREAM_OPEN_TO_OTHERS: Lint = Lint {
    name: "upstream-open-to-others",
    what: "an upstream on another machine, over plain HTTP and without `assertion`",
    why: "whoever reaches it around the gate can write any identity into the headers it believes, and \
          whoever is in between reads and changes them",
    remedy: "bind the backend to loopback or a unix socket beside the gate; or speak `https://` to it; or \
             say `assertion = true` and have it checked. Where only the network keeps others away, a \
             NetworkPolicy has to",
    look: open_to_others,
};

fn without_route(subject: &Subject<'_>, findings: &mut Findings) {
    let snapshot = subject.snapshot;
    for upstream in &snapshot.upstreams {
        let used = |route: &std::sync::Arc<crate::policy::RoutePolicy>| {
            route.upstream.name == upstream.name
        };
        if !snapshot.routes.iter().any(used) {
            let spot = subject.places.entry("upstreams", &upstream.name);
            findings.add(spot.map(|spot| spot.key("name")), "no route leads to it");
        }
    }
}

fn open_to_others(subject: &Subject<'_>, findings: &mut Findings) {
    for upstream in &subject.snapshot.upstreams {
        if let Some(host) = reached_in_the_open(upstream) {
            let spot = subject.places.entry("upstreams", &upstream.name);
            let message = format!(
                "`{host}` is reached over plain HTTP and gets no `assertion`: whoever reaches it around the \
                 gate can say to be anybody"
            );
            findings.add(spot.map(|spot| spot.key("url")), message);
        }
    }
}

fn reached_in_the_open(upstream: &UpstreamPolicy) -> Option<&str> {
    let UpstreamAddress::Tcp {
        host, tls: false, ..
    } = &upstream.address
    else {
        return None;
    };
    let address = host.parse::<IpAddr>().ok();
    let local = host == "localhost" || address.is_some_and(|it| it.to_canonical().is_loopback());
    (!local && upstream.assertion != Some(true)).then_some(host)
}
