//! The commands of the tool, as a model sends them.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One use of the tool: the `input` of a `tool_use` block.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// A directory, two levels deep, or a file with line numbers.
    View {
        /// Which.
        path: String,
        /// First and last line, from 1; a last line of -1 is the end.
        #[serde(default)]
        view_range: Option<Vec<i64>>,
    },
    /// A new file.
    Create {
        /// Which.
        path: String,
        /// What it holds.
        file_text: String,
    },
    /// One text of a file becomes another.
    StrReplace {
        /// Which file.
        path: String,
        /// What stands there, once.
        old_str: String,
        /// What stands there after.
        #[serde(default)]
        new_str: String,
    },
    /// Lines after a line of a file.
    Insert {
        /// Which file.
        path: String,
        /// After which line; 0 is before the first.
        insert_line: i64,
        /// Which lines.
        insert_text: String,
    },
    /// A file, or a directory with all that is in it.
    Delete {
        /// Which.
        path: String,
    },
    /// A file or a directory gets another path.
    Rename {
        /// The path it has.
        old_path: String,
        /// The path it gets.
        new_path: String,
    },
}

/// A text is no command.
#[derive(Debug, thiserror::Error)]
#[error("no command of the memory tool (view, create, str_replace, insert, delete, rename): {0}")]
pub struct CommandError(#[source] serde_json::Error);

impl Command {
    /// Reads a command from the members of a JSON object.
    ///
    /// # Errors
    /// It is none, lacks a member or has one too many.
    pub fn read(members: Map<String, Value>) -> Result<Self, CommandError> {
        serde_json::from_value(Value::Object(members)).map_err(CommandError)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(members: Value) -> Result<Command, CommandError> {
        let Value::Object(members) = members else {
            panic!("{members} is no object");
        };
        Command::read(members)
    }

    #[test]
    fn a_command_is_what_the_model_sends() {
        let command = json!({"command": "view", "path": "/memories", "view_range": null});
        assert_eq!(
            read(command).unwrap(),
            Command::View {
                path: "/memories".to_owned(),
                view_range: None
            }
        );
        let command = json!({"command": "str_replace", "path": "/memories/a", "old_str": "b"});
        assert!(matches!(
            read(command).unwrap(),
            Command::StrReplace { new_str, .. } if new_str.is_empty()
        ));
    }

    #[test]
    fn what_is_no_command_says_why() {
        for (command, part) in [
            (json!({"command": "sudo"}), "sudo"),
            (
                json!({"command": "create", "path": "/memories/a"}),
                "file_text",
            ),
            (
                json!({"command": "delete", "path": "/memories/a", "tenant": "x"}),
                "tenant",
            ),
            (json!({"command": "delete", "path": 5}), "5"),
            (
                json!({"command": "insert", "path": "/memories/a", "insert_line": "1", "insert_text": ""}),
                "expected i64",
            ),
            (json!({}), "command"),
        ] {
            let error = read(command).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
