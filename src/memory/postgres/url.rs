//! Where the server is, as an operator writes it.
//!
//! `postgres://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/path/ca.pem`, or
//! `postgres:///database?host=/var/run/postgresql&user=name` for a unix socket.
//!
//! A connection over the network is encrypted and its server's certificate verified, chain and name,
//! unless the URL says `sslmode=disable`. `require` means the same as `verify-full` here, other than
//! in libpq, where it takes any certificate and so anybody in between; `prefer`, `allow` and
//! `verify-ca` are refused, since they read as more than they give.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use url::Url;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);

/// After how long an unanswered packet means that the server is gone.
const GONE: Duration = Duration::from_secs(10);

/// Where a server is and as whom to log in. `Debug` and `Display` show neither password nor query.
#[derive(Clone)]
pub struct PostgresUrl {
    text: SecretString,
    tls: Tls,
}

/// Whether a connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// It is not: a unix socket, or the operator says so.
    Off,
    /// It is, and the server's certificate is verified against the certificates in this file, or
    /// against those the system trusts.
    Verified(Option<PathBuf>),
}

/// A text is no URL of a server.
#[derive(Debug, thiserror::Error)]
pub enum PostgresUrlError {
    /// No URL at all.
    #[error("it is no URL: {0}; write `postgres://user@host:5432/database`")]
    Syntax(url::ParseError),
    /// Of something else.
    #[error("it begins with `{0}:`; write `postgres://user@host:5432/database`")]
    Scheme(String),
    /// A mode that does not say whether the server is verified.
    #[error(
        "`sslmode={0}` is not taken: write `verify-full` (encrypted, the server verified) or `disable`"
    )]
    SslMode(String),
    /// A part that nobody knows, or a value of it.
    #[error("{0}")]
    Part(String),
    /// No server is named.
    #[error(
        "it names no host: write `postgres://user@host/database`, or `?host=/folder/of/the/socket`"
    )]
    NoHost,
}

impl PostgresUrl {
    /// What to connect with.
    pub(super) fn config(&self) -> Result<Config, PostgresUrlError> {
        let mut config: Config = self
            .text
            .expose_secret()
            .parse()
            .map_err(|error: tokio_postgres::Error| PostgresUrlError::Part(told(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(PostgresUrlError::NoHost);
        }
        config
            .ssl_mode(match self.tls {
                Tls::Off => SslMode::Disable,
                Tls::Verified(_) => SslMode::Require,
            })
            .application_name("fabric-memory")
            .connect_timeout(CONNECT)
            .tcp_user_timeout(GONE)
            .keepalives_idle(GONE);
        Ok(config)
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }
}

impl FromStr for PostgresUrl {
    type Err = PostgresUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut url = Url::parse(text).map_err(PostgresUrlError::Syntax)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(PostgresUrlError::Scheme(url.scheme().to_owned()));
        }
        let mut mode = None;
        let mut roots = None;
        let mut others = Vec::new();
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => roots = Some(PathBuf::from(&*value)),
                _ => others.push((name.into_owned(), value.into_owned())),
            }
        }
        url.set_query(None);
        if !others.is_empty() {
            url.query_pairs_mut().extend_pairs(others);
        }
        // A form's `+` is a blank; the driver reads it as a plus.
        let text = url.as_str().replace('+', "%20");
        let mut parsed = Self {
            text: SecretString::from(text),
            tls: Tls::Off,
        };
        let config = parsed.config()?;
        let is_local = config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)))
            && config.get_hostaddrs().is_empty();
        parsed.tls = match mode.as_deref() {
            None if is_local => Tls::Off,
            Some("disable") => Tls::Off,
            None | Some("require" | "verify-full") => Tls::Verified(roots),
            Some(other) => return Err(PostgresUrlError::SslMode(other.to_owned())),
        };
        Ok(parsed)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(mut url) = Url::parse(self.text.expose_secret()) else {
            return formatter.write_str("postgres:");
        };
        // Neither fails on a URL that has a host; one without has no password outside of its query.
        let _ = url.set_password(None);
        let socket = url
            .query_pairs()
            .find(|(name, _)| name == "host")
            .map(|(_, folder)| folder.into_owned());
        url.set_query(None);
        write!(formatter, "{url}")?;
        match socket {
            Some(folder) => write!(formatter, "?host={folder}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgresUrl({self})")
    }
}

/// An error of the driver with what caused it: the driver's own text leaves that out.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PostgresUrl, String> {
        text.parse()
            .map_err(|error: PostgresUrlError| error.to_string())
    }

    #[test]
    fn a_connection_over_the_network_is_verified_unless_the_url_says_otherwise() {
        let tls = |text| parse(text).unwrap().tls;
        let system = Tls::Verified(None);
        assert_eq!(tls("postgres://app@db.example/memory"), system);
        assert_eq!(tls("postgres://app@127.0.0.1/memory"), system);
        assert_eq!(tls("postgres://app@db/memory?sslmode=require"), system);
        assert_eq!(
            tls("postgresql://app@db/memory?sslmode=verify-full&sslrootcert=/etc/ca.pem"),
            Tls::Verified(Some("/etc/ca.pem".into()))
        );
        assert_eq!(tls("postgres://app@db/memory?sslmode=disable"), Tls::Off);
        assert_eq!(
            tls("postgres:///memory?host=/run/postgresql&user=app"),
            Tls::Off
        );
    }

    #[test]
    fn a_url_that_says_less_than_it_seems_is_refused_with_what_to_write() {
        for (text, said) in [
            (
                "postgres://app@db/memory?sslmode=prefer",
                "`sslmode=prefer`",
            ),
            (
                "postgres://app@db/memory?sslmode=verify-ca",
                "`verify-full`",
            ),
            ("mysql://app@db/memory", "`mysql:`"),
            ("db/memory", "no URL"),
            ("postgres:///memory", "no host"),
            ("postgres://app@db/memory?pool=5", "pool"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for text in [
            "postgres://app:hunter2@db/memory",
            "postgres://db/memory?user=app&password=hunter2",
            "postgres:///memory?host=/run/postgresql&password=hunter2",
        ] {
            let url = parse(text).unwrap();
            assert!(!format!("{url} {url:?}").contains("hunter2"), "{url}");
        }
        let url = parse("postgres://app:hunter2@db:5433/memory").unwrap();
        assert_eq!(url.to_string(), "postgres://app@db:5433/memory");
        assert_eq!(url.config().unwrap().get_password(), Some(&b"hunter2"[..]));
    }
}
