//! `set`, `prefix`, `remove`, `scoped` and `workspace_paths`: what a route changes in a request.

use std::sync::Arc;

use super::ownership::check_parameter;
use super::{extractor, is_tail};
use crate::policy::document::reader::Fields;
use crate::policy::document::{bare, values};
use crate::policy::problem::{Located, ProblemKind};
use crate::policy::{
    AbsentValue, Extractor, Place, PrefixRule, ResourceRule, Rewriting, SetRule, Template,
};

/// Fields that frame or route a message, and fields the gate writes itself.
const UNTOUCHABLE: [&str; 19] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-api-key",
    "x-request-id",
];

/// Reads the keys of one route.
pub(super) fn rewriting(
    fields: &Fields<'_>,
    path: Option<&Located<Arc<str>>>,
    resources: &[ResourceRule],
) -> Rewriting {
    let reader = Reader { path, resources };
    let mut places = Vec::new();
    let mut all_at = |key: &'static str| -> Vec<Place> {
        let texts = fields.texts(key).unwrap_or_default().into_iter();
        let found: Vec<_> = texts
            .filter_map(|text| reader.place(fields, text))
            .collect();
        places.extend(found.iter().cloned());
        bare(found)
    };
    let remove = all_at("remove");
    let scoped = all_at("scoped");
    if remove.iter().any(|place| matches!(place, Place::Path(_))) {
        let message = "a part of the path can be set, and not removed";
        refuse(fields, ProblemKind::BadValue, message);
    }
    let mut prefix = Vec::new();
    for table in fields.tables("prefix") {
        if let Some((at, rule)) = reader.prefix(&table) {
            places.push(at);
            prefix.push(rule);
        }
    }
    let mut set = Vec::new();
    for table in fields.tables("set") {
        table.require("value");
        let value = table.parsed("value", Template::parse);
        if let (Some(at), Some(value)) = (reader.at(&table), value) {
            places.push(at.clone());
            set.push(SetRule {
                at: at.value,
                value: value.value,
            });
        }
    }
    refuse_repeated(fields, &places);
    Rewriting {
        remove,
        scoped,
        prefix,
        set,
        workspace_paths: workspace_paths(fields, path),
    }
}

struct Reader<'a> {
    path: Option<&'a Located<Arc<str>>>,
    resources: &'a [ResourceRule],
}

impl Reader<'_> {
    fn prefix(&self, table: &Fields<'_>) -> Option<(Located<Place>, PrefixRule)> {
        table.require("with");
        let with = table.parsed("with", Template::parse_prefix);
        let element = table.flag("element", false);
        let absent = table.choice(
            "absent",
            &[
                ("deny", AbsentValue::Deny),
                ("insert", AbsentValue::Insert),
                ("leave", AbsentValue::Leave),
            ],
        );
        let at = self.at(table)?;
        if element && !matches!(at.value, Place::Body(_)) {
            let message = "only an array of a JSON body has elements: `body:/json/pointer`";
            refuse(table, ProblemKind::BadValue, message);
        }
        let rule = PrefixRule {
            at: at.value.clone(),
            with: with?.value,
            element,
            absent: absent.unwrap_or_default(),
        };
        Some((at, rule))
    }

    fn at(&self, table: &Fields<'_>) -> Option<Located<Place>> {
        table.require("at");
        self.place(table, table.text("at")?)
    }

    /// A place that can be changed.
    fn place(&self, fields: &Fields<'_>, text: Located<&str>) -> Option<Located<Place>> {
        let found = extractor(fields, text)?;
        let wrong = |message: String| {
            fields
                .report()
                .add(&found.place, ProblemKind::BadValue, message);
        };
        let ids = self.resources.iter().flat_map(|rule| &rule.ids);
        if ids.into_iter().any(|id| *id == found.value) {
            wrong(
                "the id of a resource is there, and the gate knows it as the backend does; it \
                 can't be changed on the way"
                    .to_owned(),
            );
        }
        let place = match &found.value {
            Extractor::Path(name) => {
                check_parameter(fields, &found, name, self.path);
                if self.path.is_some_and(|path| is_tail(&path.value, name)) {
                    wrong(format!(
                        "`{{*{name}}}` is more than one segment of the path"
                    ));
                }
                Place::Path(name.clone())
            }
            Extractor::Query(name) => {
                if name.eq_ignore_ascii_case("tenant") {
                    wrong("the gate writes the parameter `tenant` itself".to_owned());
                }
                Place::Query(name.clone())
            }
            Extractor::Header(name) => {
                let folded = name.replace(['_', '.'], "-");
                if UNTOUCHABLE.contains(&folded.as_str()) || folded.starts_with("x-fabric-") {
                    wrong(format!("the header `{name}` is not a route's to change"));
                }
                Place::Header(name.clone())
            }
            Extractor::Body(pointer) => Place::Body(pointer.clone()),
            Extractor::Form(name) => Place::Form(name.clone()),
            Extractor::Event(_) | Extractor::Message(_) | Extractor::Claim(_) => {
                wrong(
                    "a request can be changed at `path:`, `query:`, `header:`, `body:` or `form:`"
                        .to_owned(),
                );
                return None;
            }
        };
        Some(found.with(place))
    }
}

/// Two rules for one place would leave it to their order what a backend gets.
fn refuse_repeated(fields: &Fields<'_>, places: &[Located<Place>]) {
    for (index, place) in places.iter().enumerate() {
        let before = places.iter().take(index);
        if before
            .into_iter()
            .any(|other| same(&other.value, &place.value))
        {
            fields.report().add(
                &place.place,
                ProblemKind::Conflict,
                "another rule of the route changes the same place",
            );
        }
    }
}

fn same(one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Query(one), Place::Query(other)) | (Place::Form(one), Place::Form(other)) => {
            one.eq_ignore_ascii_case(other)
        }
        (Place::Header(one), Place::Header(other)) => {
            one.replace(['_', '.'], "-") == other.replace(['_', '.'], "-")
        }
        (one, other) => one == other,
    }
}

fn workspace_paths(fields: &Fields<'_>, path: Option<&Located<Arc<str>>>) -> Vec<Extractor> {
    let texts = fields.texts("workspace_paths").unwrap_or_default();
    let found: Vec<_> = texts
        .into_iter()
        .filter_map(|text| extractor(fields, text))
        .collect();
    for extractor in &found {
        match &extractor.value {
            Extractor::Path(name) => check_parameter(fields, extractor, name, path),
            Extractor::Query(_)
            | Extractor::Header(_)
            | Extractor::Body(_)
            | Extractor::Form(_) => {}
            Extractor::Event(_) | Extractor::Message(_) | Extractor::Claim(_) => {
                fields.report().add(
                    &extractor.place,
                    ProblemKind::BadValue,
                    "a request names a path at `path:`, `query:`, `header:`, `body:` or `form:`",
                )
            }
        }
    }
    bare(found)
}

fn refuse(fields: &Fields<'_>, kind: ProblemKind, message: &str) {
    fields.report().add(fields.place(), kind, message);
}

/// The root of the users' workspaces: an absolute path in its plain form.
pub(in crate::policy::document) fn workspace_root(
    text: &str,
) -> Result<Arc<str>, values::ValueError> {
    let plain = text
        .strip_prefix('/')
        .is_some_and(|below| below.split('/').all(is_plain_name));
    if plain {
        Ok(text.into())
    } else {
        Err(values::ValueError::Workspace)
    }
}

fn is_plain_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_root_is_an_absolute_path_in_its_plain_form() {
        for text in ["/srv/workspaces", "/w", "/data/agents.d/v-1"] {
            assert!(workspace_root(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "/",
            "srv",
            "/srv/",
            "/srv//x",
            "/srv/../x",
            "/srv/{tenant}",
            "/a b",
            "~",
        ] {
            assert!(workspace_root(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spellings_of_one_place_are_one_place() {
        let query = |name: &str| Place::Query(name.to_owned());
        let header = |name: &str| Place::Header(name.to_owned());
        assert!(same(&query("user_id"), &query("User_ID")));
        assert!(!same(&query("user_id"), &query("user-id")));
        assert!(same(&header("x-user_id"), &header("x-user-id")));
        assert!(!same(&header("x-user"), &query("x-user")));
    }
}
