//! What the server's messages show: lists, and tasks it began.
//!
//! A list is known by its shape, not by the request it answers: on an event stream that is resumed,
//! and in a batch, an answer can come long after, and far from, its question.

use std::borrow::Cow;

use crate::inspect::json::{Limits, Value};
use crate::inspect::json_rpc::{Body, JsonRpcFault, Message, Outcome};

/// One item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed<'a> {
    /// A tool, by name.
    Tool(&'a str),
    /// A prompt, by name.
    Prompt(&'a str),
    /// A resource by its URI, or many by a template of URIs.
    Resource(&'a str),
    /// A task, by id.
    Task(&'a str),
}

/// Where a result has its list, and what its items are called by.
const LISTS: [(&str, &str, ListKind); 5] = [
    ("tools", "name", ListKind::Tools),
    ("prompts", "name", ListKind::Prompts),
    ("resources", "uri", ListKind::Resources),
    ("resourceTemplates", "uriTemplate", ListKind::Resources),
    ("tasks", "taskId", ListKind::Tasks),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListKind {
    Tools,
    Prompts,
    Resources,
    Tasks,
}

/// One list of one result.
#[derive(Debug)]
struct List<'body> {
    kind: ListKind,
    whole: Value<'body>,
    /// Each with what it is called by; `None` where that can't be read.
    items: Vec<(Value<'body>, Option<Cow<'body, str>>)>,
}

/// What a JSON body, or the data of one event, shows.
#[derive(Debug)]
pub struct Answer<'body> {
    text: &'body str,
    lists: Vec<List<'body>>,
    created: Vec<Cow<'body, str>>,
    /// Where a result says that anybody may keep it.
    shared: Vec<Value<'body>>,
}

impl<'body> Answer<'body> {
    /// Reads the message or messages of a server.
    ///
    /// # Errors
    /// No JSON-RPC message, or one that readers understand differently: then it can't be filtered.
    pub fn read(body: &'body [u8]) -> Result<Self, JsonRpcFault> {
        let messages = Body::parse(body, &Limits::default())?;
        let text = std::str::from_utf8(body).map_err(|_| JsonRpcFault::Shape("no text"))?;
        let mut answer = Self {
            text,
            lists: Vec::new(),
            created: Vec::new(),
            shared: Vec::new(),
        };
        for message in messages.messages() {
            if let Message::Response {
                outcome: Outcome::Result(result),
                ..
            } = message
            {
                answer.look_at(*result)?;
            }
        }
        Ok(answer)
    }

    fn look_at(&mut self, result: Value<'body>) -> Result<(), JsonRpcFault> {
        for (name, called_by, kind) in LISTS {
            let Some(whole) = result.member(name)?.filter(|list| list.is_array()) else {
                continue;
            };
            let mut items = Vec::new();
            for item in whole.elements() {
                items.push((item, item.member(called_by)?.and_then(Value::text)));
            }
            self.lists.push(List { kind, whole, items });
        }
        // 2025-11-25: a result with a task in it. SEP-2663: a result that is one, and says so.
        let within = result.at(&["task", "taskId"])?;
        let is_task = result
            .member("resultType")?
            .and_then(Value::text)
            .as_deref()
            == Some("task");
        let itself = if is_task {
            result.member("taskId")?
        } else {
            None
        };
        let created = [within, itself].into_iter().flatten();
        self.created.extend(created.filter_map(Value::text));
        let scope = result.member("cacheScope")?;
        let public = scope.filter(|scope| scope.text().as_deref() == Some("public"));
        self.shared.extend(public);
        Ok(())
    }

    /// Ids of tasks that the server has just begun.
    pub fn created_tasks(&self) -> impl Iterator<Item = &str> {
        self.created.iter().map(|id| &**id)
    }

    /// Ids of tasks that stand in lists.
    pub fn listed_tasks(&self) -> impl Iterator<Item = &str> {
        self.lists
            .iter()
            .filter(|list| list.kind == ListKind::Tasks)
            .flat_map(|list| &list.items)
            .filter_map(|(_, id)| id.as_deref())
    }

    /// The text with only those items that `keep` lets stay, and without those that can't be named;
    /// `None` where nothing changes. The rest of it, cursors too, stays byte for byte.
    ///
    /// What depends on who asks is marked `private` where the server lets shared caches keep it
    /// (`cacheScope`, SEP-2549).
    pub fn filtered(&self, mut keep: impl FnMut(Listed<'_>) -> bool) -> Option<Vec<u8>> {
        let mut edits: Vec<(Value<'body>, String)> = Vec::new();
        for list in &self.lists {
            let staying: Vec<_> = list
                .items
                .iter()
                .filter(|(_, name)| {
                    name.as_deref()
                        .is_some_and(|name| keep(list.kind.listed(name)))
                })
                .map(|(item, _)| item.raw())
                .collect();
            if staying.len() < list.items.len() {
                edits.push((list.whole, format!("[{}]", staying.join(","))));
            }
        }
        let marks = self.shared.iter();
        edits.extend(marks.map(|scope| (*scope, "\"private\"".to_owned())));
        if edits.is_empty() {
            return None;
        }
        edits.sort_by_key(|(place, _)| place.offset_in(self.text));
        let mut edited = String::with_capacity(self.text.len());
        let mut done = 0;
        for (place, new) in edits {
            let start = place.offset_in(self.text);
            edited.push_str(self.text.get(done..start).unwrap_or_default());
            edited.push_str(&new);
            done = start + place.raw().len();
        }
        edited.push_str(self.text.get(done..).unwrap_or_default());
        Some(edited.into_bytes())
    }
}

impl ListKind {
    fn listed(self, name: &str) -> Listed<'_> {
        match self {
            Self::Tools => Listed::Tool(name),
            Self::Prompts => Listed::Prompt(name),
            Self::Resources => Listed::Resource(name),
            Self::Tasks => Listed::Task(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(result: &str) -> String {
        format!("{{\"jsonrpc\":\"2.0\", \"id\":7,\"result\":{result} }}")
    }

    fn filtered(body: &str, keep: impl FnMut(Listed<'_>) -> bool) -> Option<String> {
        let answer = Answer::read(body.as_bytes()).unwrap();
        answer
            .filtered(keep)
            .map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_list_keeps_what_may_stay_and_every_other_byte() {
        let body = result(
            "{ \"tools\" : [ {\"name\":\"echo\", \"x\": [1 , 2]} ,{\"name\":\"shell.run\"}, \
             {\"name\":\"add\"} ],\n \"nextCursor\":\"c=\\u00e9\" }",
        );
        let kept = filtered(&body, |item| item != Listed::Tool("shell.run"));
        let expected = result(
            "{ \"tools\" : [{\"name\":\"echo\", \"x\": [1 , 2]},{\"name\":\"add\"}],\n \
             \"nextCursor\":\"c=\\u00e9\" }",
        );
        assert_eq!(kept, Some(expected));
        assert_eq!(filtered(&body, |_| true), None, "A sees the server's bytes");
    }

    #[test]
    fn every_kind_of_list_is_known_by_its_shape() {
        for (list, item) in [
            (r#"{"tools":[{"name":"x"}]}"#, Listed::Tool("x")),
            (r#"{"prompts":[{"name":"x"}]}"#, Listed::Prompt("x")),
            (r#"{"resources":[{"uri":"x"}]}"#, Listed::Resource("x")),
            (
                r#"{"resourceTemplates":[{"uriTemplate":"x"}]}"#,
                Listed::Resource("x"),
            ),
            (r#"{"tasks":[{"taskId":"x"}]}"#, Listed::Task("x")),
        ] {
            let mut seen = Vec::new();
            let emptied = filtered(&result(list), |found| {
                seen.push(found == item);
                false
            });
            assert_eq!(seen, [true], "{list}");
            let emptied = emptied.unwrap();
            assert!(
                emptied.contains("[]") && !emptied.contains("\"x\""),
                "{emptied}"
            );
        }
    }

    #[test]
    fn an_item_without_a_readable_name_leaves() {
        for item in ["7", "\"echo\"", "{}", "{\"name\":7}", "{\"title\":\"t\"}"] {
            let body = result(&format!("{{\"tools\":[{item}]}}"));
            assert!(filtered(&body, |_| true).is_some(), "{item}");
        }
        let folded = result("{\"tools\":[{\"name\":\"a\",\"Name\":\"b\"}]}");
        assert!(Answer::read(folded.as_bytes()).is_err());
    }

    #[test]
    fn lists_in_a_batch_are_filtered_too_and_requests_of_the_server_are_not() {
        let asked = r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"tools":[{"name":"x"}]}}"#;
        assert_eq!(filtered(asked, |_| false), None);
        let list = result(r#"{"tools":[{"name":"x"}]}"#);
        let batch = format!("[{asked},{list},{list}]");
        let emptied = result(r#"{"tools":[]}"#);
        let expected = format!("[{asked},{emptied},{emptied}]");
        assert_eq!(filtered(&batch, |_| false), Some(expected));
    }

    #[test]
    fn tasks_are_found_where_they_begin_and_where_they_are_listed() {
        for created in [
            r#"{"task":{"taskId":"t-1","status":"working"}}"#,
            r#"{"resultType":"task","taskId":"t-1","status":"working"}"#,
        ] {
            let body = result(created);
            let answer = Answer::read(body.as_bytes()).unwrap();
            assert_eq!(answer.created_tasks().collect::<Vec<_>>(), ["t-1"]);
        }
        let polled = result(r#"{"resultType":"complete","taskId":"t-1","status":"working"}"#);
        let answer = Answer::read(polled.as_bytes()).unwrap();
        assert_eq!(answer.created_tasks().count(), 0, "a poll begins nothing");
        let listed = result(r#"{"tasks":[{"taskId":"a"},{"taskId":"b"}]}"#);
        let answer = Answer::read(listed.as_bytes()).unwrap();
        assert_eq!(answer.listed_tasks().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn an_answer_that_depends_on_the_caller_is_for_no_shared_cache() {
        let body =
            result(r#"{"cacheScope": "public","ttlMs":9,"tools":[{"name":"a"},{"name":"b"}]}"#);
        let expected = result(r#"{"cacheScope": "private","ttlMs":9,"tools":[{"name":"a"}]}"#);
        let kept = filtered(&body, |item| item == Listed::Tool("a"));
        assert_eq!(kept, Some(expected));
        let private = result(r#"{"cacheScope":"private","tools":[]}"#);
        assert_eq!(filtered(&private, |_| true), None);
    }
}
