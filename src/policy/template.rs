//! Texts with the caller in them: `tenant:{tenant}:user:{user}`.

use crate::identity::{Principal, namespace};

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Tenant,
    User,
    Roles,
    Agent,
    Namespace,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 5] = [
        ("tenant", Self::Tenant),
        ("user", Self::User),
        ("roles", Self::Roles),
        ("agent", Self::Agent),
        ("namespace", Self::Namespace),
    ];

    fn value(self, caller: &Principal) -> String {
        match self {
            Self::Tenant => caller.tenant().to_string(),
            Self::User => caller.user().to_string(),
            Self::Roles => caller.roles().join(","),
            // The outermost actor is the one that acts (RFC 8693 section 4.1).
            Self::Agent => caller
                .delegation()
                .actors
                .first()
                .map_or_else(String::new, ToString::to_string),
            Self::Namespace => namespace::of_user(caller.tenant(), caller.user()),
        }
    }
}

impl Template {
    /// Reads a text that is set as a whole.
    ///
    /// # Errors
    /// See [`TemplateError`]. Two placeholders need something between them that is in neither.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let template = Self::read(text)?;
        for (part, next) in template.0.iter().zip(template.0.iter().skip(1)) {
            if open_ended(part) && !separates(next) {
                return Err(TemplateError::Unseparated);
            }
        }
        Ok(template)
    }

    /// Reads a text that values are put behind. A `.` is added where it ends in a placeholder.
    ///
    /// # Errors
    /// See [`TemplateError`]. It has to name the tenant, and what is behind a placeholder has to be
    /// something that no id holds: then no two callers share a prefix, and none begins another.
    pub fn parse_prefix(text: &str) -> Result<Self, TemplateError> {
        let mut template = Self::read(text)?;
        let has = |wanted| template.0.contains(&Part::Placeholder(wanted));
        if !has(Placeholder::Tenant) && !has(Placeholder::Namespace) {
            return Err(TemplateError::NoTenant);
        }
        if has(Placeholder::Roles) {
            return Err(TemplateError::RolesInPrefix);
        }
        if template.0.last().is_some_and(open_ended) {
            template.0.push(Part::Literal(".".to_owned()));
        }
        for (part, next) in template.0.iter().zip(template.0.iter().skip(1)) {
            if open_ended(part) && !separates(next) {
                return Err(TemplateError::Unseparated);
            }
        }
        Ok(template)
    }

    /// The text for a caller, ids as they are.
    pub fn render(&self, caller: &Principal) -> String {
        self.filled(|placeholder| placeholder.value(caller))
    }

    /// The text for a caller with ids encoded, so that it is this caller's alone.
    pub fn render_prefix(&self, caller: &Principal) -> String {
        self.filled(|placeholder| match placeholder {
            Placeholder::Namespace => placeholder.value(caller),
            Placeholder::Tenant | Placeholder::User | Placeholder::Roles | Placeholder::Agent => {
                namespace::encoded(&placeholder.value(caller))
            }
        })
    }

    fn filled(&self, value: impl Fn(Placeholder) -> String) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.clone(),
                Part::Placeholder(placeholder) => value(*placeholder),
            })
            .collect()
    }

    fn read(text: &str) -> Result<Self, TemplateError> {
        if text.is_empty() || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(TemplateError::Text);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let (name, after) = after.split_once('}').ok_or(TemplateError::Brace)?;
            let found = Placeholder::ALL.iter().find(|(known, _)| *known == name);
            let (_, placeholder) =
                found.ok_or_else(|| TemplateError::Placeholder(name.to_owned()))?;
            parts.push(Part::Placeholder(*placeholder));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        let stray =
            |part: &Part| matches!(part, Part::Literal(literal) if literal.contains(['{', '}']));
        if parts.iter().any(stray) {
            return Err(TemplateError::Brace);
        }
        Ok(Self(parts))
    }
}

/// Whether more of an id could follow. A namespace ends in its own delimiter.
fn open_ended(part: &Part) -> bool {
    match part {
        Part::Literal(_) | Part::Placeholder(Placeholder::Namespace) => false,
        Part::Placeholder(
            Placeholder::Tenant | Placeholder::User | Placeholder::Roles | Placeholder::Agent,
        ) => true,
    }
}

/// Whether it begins with what no encoded id holds.
fn separates(part: &Part) -> bool {
    let Part::Literal(literal) = part else {
        return false;
    };
    literal
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_alphanumeric() && !b"_-%".contains(&byte))
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is empty, or holds more than visible ASCII and blanks.
    #[error("a value is visible ASCII, with blanks inside at most")]
    Text,
    /// A placeholder nobody knows.
    #[error("`{{{0}}}` is none of {{tenant}}, {{user}}, {{roles}}, {{agent}} and {{namespace}}")]
    Placeholder(String),
    /// A brace without its other half.
    #[error("a brace begins or ends a placeholder, and one lacks its other half")]
    Brace,
    /// An id could reach into what follows it.
    #[error(
        "behind a placeholder has to stand a character that no id holds, such as `.`, `:` or `/`; \
         two callers could get the same text otherwise"
    )]
    Unseparated,
    /// A prefix that users of several tenants share.
    #[error("a prefix has to name the tenant: {{tenant}} or {{namespace}}")]
    NoTenant,
    /// A prefix that changes with what a caller may do.
    #[error("{{roles}} may change from one request to the next, so it can be no part of a prefix")]
    RolesInPrefix,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn caller(tenant: &str, user: &str) -> Principal {
        Principal::made_up(tenant, user, &["lead", "ops"], &[], None)
    }

    fn rendered(text: &str) -> String {
        Template::parse(text)
            .unwrap()
            .render(&caller("acme", "al/ce"))
    }

    fn prefixed(text: &str) -> String {
        Template::parse_prefix(text)
            .unwrap()
            .render_prefix(&caller("acme", "al/ce"))
    }

    #[test]
    fn placeholders_are_filled() {
        assert_eq!(rendered("{user}"), "al/ce");
        assert_eq!(rendered("t={tenant};r={roles}"), "t=acme;r=lead,ops");
        assert_eq!(rendered("a{agent}"), "a");
        assert_eq!(rendered("{namespace}"), "tenant:acme:user:al%2Fce:");
        assert_eq!(rendered("fixed"), "fixed");
    }

    #[test]
    fn a_prefix_is_encoded_and_ends_in_a_delimiter() {
        assert_eq!(prefixed("{tenant}.{user}"), "acme.al%2Fce.");
        assert_eq!(prefixed("x/{tenant}/"), "x/acme/");
        assert_eq!(prefixed("{namespace}"), "tenant:acme:user:al%2Fce:");
    }

    #[test]
    fn a_text_that_two_callers_could_share_is_refused() {
        use TemplateError::{Brace, NoTenant, Placeholder, RolesInPrefix, Text, Unseparated};
        let unknown = |name: &str| Placeholder(name.to_owned());
        for (text, error) in [
            ("", Text),
            ("a\n", Text),
            ("{tenant", Brace),
            ("tenant}", Brace),
            ("{{tenant}}", unknown("{tenant")),
            ("{team}", unknown("team")),
            ("{tenant}{user}", Unseparated),
            ("{tenant}-{user}", Unseparated),
        ] {
            assert_eq!(Template::parse(text), Err(error.clone()), "{text}");
            assert!(Template::parse_prefix(text).is_err(), "{text}");
        }
        for (text, error) in [
            ("{user}", NoTenant),
            ("fixed", NoTenant),
            ("{tenant}x", Unseparated),
            ("{tenant}.{user}_", Unseparated),
            ("{tenant}.{roles}", RolesInPrefix),
        ] {
            assert_eq!(Template::parse_prefix(text), Err(error), "{text}");
        }
    }

    const TEMPLATES: [&str; 7] = [
        "{tenant}.{user}",
        "{tenant}:{user}/",
        "x/{tenant}/y/{user}",
        "{namespace}",
        "{user}.{tenant}",
        "{namespace}{agent}",
        "{tenant}.{user}.{agent}",
    ];

    fn ids() -> impl Strategy<Value = (String, String)> {
        ("[ab_-]{0,2}", "[ab.:/%2E-]{1,4}").prop_map(|(tenant, user)| (format!("a0{tenant}"), user))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_stands_between_id_and_value_can_not_be_moved(
            template in proptest::sample::select(TEMPLATES.to_vec()),
            delimiter in proptest::sample::select(vec![".", ":", "/", "/y/", ".a0."]),
            user in "[ab]{1,2}", more in "[ab]{0,2}", value in "[ab.:/]{0,3}",
        ) {
            let template = Template::parse_prefix(template).unwrap();
            let inside = |user: &str, value: &str| {
                template.render_prefix(&caller("a0", user)) + value
            };
            prop_assert_ne!(
                inside(&user, &format!("{more}{delimiter}{value}")),
                inside(&format!("{user}{delimiter}{more}"), &value)
            );
        }

        #[test]
        fn no_caller_reaches_into_the_space_of_another(
            template in proptest::sample::select(TEMPLATES.to_vec()),
            one in ids(), value in "[ab.:/%2-]{0,6}",
            other in ids(), other_value in "[ab.:/%2-]{0,6}",
        ) {
            let template = Template::parse_prefix(template).unwrap();
            let inside = |(tenant, user): &(String, String), value: &str| {
                template.render_prefix(&caller(tenant, user)) + value
            };
            prop_assert_eq!(
                inside(&one, &value) == inside(&other, &other_value),
                one == other && value == other_value
            );
            prop_assert_eq!(inside(&one, &value).starts_with(&inside(&other, "")), one == other);
        }
    }
}
