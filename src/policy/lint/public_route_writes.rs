//! Public routes that change something.

use http::Method;

use super::{Findings, Lint, Subject};

pub(super) static LINT: Lint = Lint {
    name: "public-route-writes",
    what: "a public route with a method that is not safe (RFC 9110 section 9.2.1)",
    why: "nobody is asked who calls, so that anybody who reaches the gate changes what the backend holds, \
          in no tenant's name and under no ceiling",
    remedy: "take `public = true` away, or leave GET, HEAD and OPTIONS alone in `methods`; for deliveries \
             of another service write a `[[webhooks]]` entry",
    look,
};

fn look(subject: &Subject<'_>, findings: &mut Findings) {
    for route in subject.snapshot.routes.iter().filter(|route| route.public) {
        let risky = route.methods.iter().find(|method| !method.is_safe());
        if let Some(method) = risky.map(Method::as_str) {
            let spot = subject.route(route);
            let message = format!(
                "anybody may send a {method} to the public route `{}`",
                route.name
            );
            let spot = spot.map(|spot| spot.key("methods").item_that_is(method));
            findings.add(spot, message);
        }
    }
}
