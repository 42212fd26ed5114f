//! A file's keys as a page: one table for each section, and one for each table below it.

use super::{Absent, File, Key, Rule, Shape, Table, Value};

/// The page of a kind of file, as Markdown.
pub fn page(file: &File) -> String {
    let mut page = Page {
        text: format!("# {}\n\n{}\n", file.title, file.says),
        done: Vec::new(),
    };
    for section in file.root.keys {
        page.section(section);
    }
    page.text
}

struct Page {
    text: String,
    /// Tables that have their place on the page.
    done: Vec<&'static str>,
}

impl Page {
    fn section(&mut self, section: &'static Key) {
        let heading = match section.shape {
            Shape::List(_) => format!("[[{}]]", section.name),
            _ => format!("[{}]", section.name),
        };
        self.text
            .push_str(&format!("\n## `{heading}`\n\n{}\n", section.says));
        if let Some(table) = section.shape.table() {
            self.table(table);
        }
    }

    /// The keys of a table, then the tables below it that the page has not had.
    fn table(&mut self, table: &'static Table) {
        self.done.push(table.name);
        self.keys(table);
        for key in table.keys {
            self.below(key.shape.table());
        }
        self.below(table.names.as_ref().and_then(|names| names.value.table()));
    }

    fn below(&mut self, table: Option<&'static Table>) {
        let Some(table) = table.filter(|table| !self.done.contains(&table.name)) else {
            return;
        };
        self.text
            .push_str(&format!("\n### `{}`\n\n{}\n", table.name, table.says));
        self.table(table);
    }

    fn keys(&mut self, table: &Table) {
        self.text.push_str(
            "\n| key | takes | where it is absent | meaning |\n| --- | --- | --- | --- |\n",
        );
        for key in table.keys {
            let cells = [
                format!("`{}`", key.name),
                takes(&key.shape),
                absent(key),
                meaning(key),
            ];
            self.row(cells);
        }
        if let Some(names) = &table.names {
            self.row([
                format!("*{}*", names.name.what),
                takes(names.value),
                String::new(),
                "A name of the writer's choice.".to_owned(),
            ]);
        }
        let rules: Vec<String> = table.rules.iter().map(of_rule).collect();
        if !rules.is_empty() {
            self.text.push_str(&format!("\n{}\n", rules.join(" ")));
        }
    }

    fn row(&mut self, cells: [String; 4]) {
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        self.text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

fn takes(shape: &Shape) -> String {
    match shape {
        Shape::Text(grammar) => grammar.what.to_owned(),
        Shape::Choice(words) => {
            let words: Vec<_> = words
                .iter()
                .map(|(word, _)| format!("`\"{word}\"`"))
                .collect();
            words.join(", ")
        }
        Shape::Flag => "`true` or `false`".to_owned(),
        Shape::False => "`false`".to_owned(),
        Shape::Share => "0 to 1".to_owned(),
        Shape::Anything => "any value".to_owned(),
        Shape::Integer(least, most) => format!("{least} to {most}"),
        Shape::IntegerOf(numbers) => {
            let numbers: Vec<_> = numbers.iter().map(u16::to_string).collect();
            numbers.join(" or ")
        }
        Shape::Decimal(grammar) => grammar.what.to_owned(),
        Shape::Decimals => "list of numbers".to_owned(),
        Shape::Timestamp => "date and time with its offset".to_owned(),
        Shape::Table(table) => format!("[table](#{})", anchor(table.name)),
        Shape::List(inner) => format!("list: {}", takes(inner)),
        Shape::Some(inner) => format!("list, not empty: {}", takes(inner)),
        Shape::OneOrMore(inner) => format!("one or a list: {}", takes(inner)),
        Shape::Either(shapes) => {
            let shapes: Vec<_> = shapes.iter().map(takes).collect();
            shapes.join(", or ")
        }
    }
}

fn absent(key: &Key) -> String {
    match key.absent {
        Absent::Refused => "**required**".to_owned(),
        Absent::None => "none".to_owned(),
        Absent::Means(value) => format!("`{}`", written(value)),
        Absent::Says(says) => says.to_owned(),
    }
}

fn meaning(key: &Key) -> String {
    let mut text = key.says.to_owned();
    if let Shape::Choice(words) = &key.shape {
        for (word, says) in *words {
            let end = if says.ends_with('.') { "" } else { "." };
            text.push_str(&format!(" `\"{word}\"`: {says}{end}"));
        }
    }
    let of_its_grammar = match &key.shape {
        Shape::Text(grammar) | Shape::OneOrMore(Shape::Text(grammar)) => grammar.examples.first(),
        _ => None,
    };
    let example = key.examples.first().copied();
    if let Some(example) = example.or(of_its_grammar.map(|text| Value::Text(text))) {
        text.push_str(&format!(" As in `{}`.", written(example)));
    }
    text
}

/// A value as a file has it.
fn written(value: Value) -> String {
    let list = |items: &[&str], quote: &str| {
        let items: Vec<_> = items
            .iter()
            .map(|item| format!("{quote}{item}{quote}"))
            .collect();
        format!("[{}]", items.join(", "))
    };
    match value {
        Value::Text(text) => format!("\"{text}\""),
        Value::Integer(integer) => integer.to_string(),
        Value::Decimal(number) => number.to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Texts(texts) => list(texts, "\""),
        Value::Decimals(numbers) => list(numbers, ""),
    }
}

fn of_rule(rule: &Rule) -> String {
    let named = |names: &[&str], between: &str| {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(between)
    };
    match rule {
        Rule::ExactlyOne(groups) => {
            let groups: Vec<_> = groups.iter().map(|group| named(group, " or ")).collect();
            format!("Exactly one is there: {}.", groups.join("; "))
        }
        Rule::AtLeastOne(names) => format!("One at least is there: {}.", named(names, ", ")),
        Rule::Needs(name, other) => format!("`{name}` needs `{other}`."),
        Rule::Apart(name, other) => format!("`{name}` and `{other}` exclude each other."),
        Rule::RequiredUnless(name, flag) => {
            format!("`{name}` is required, unless `{flag} = true`.")
        }
        Rule::Voids(flag, names) => {
            format!(
                "With `{flag} = true` none of these is there: {}.",
                named(names, ", ")
            )
        }
    }
}

/// The anchor that a heading gets: letters, digits, `-` and `_` of it, in lower case.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
    heading.to_ascii_lowercase().chars().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Grammar;

    static INNER: Table = Table {
        name: "things.inner",
        says: "What is inside.",
        keys: &[Key::new(
            "marks",
            Shape::Text(Grammar::any("marks")),
            "One|other.",
        )],
        ..Table::EMPTY
    };

    static THING: Table = Table {
        name: "thing",
        keys: &[Key::new("inner", Shape::Table(&INNER), "More.").required()],
        ..Table::EMPTY
    };

    static ROOT: Table = Table {
        keys: &[Key::new(
            "things",
            Shape::List(&Shape::Table(&THING)),
            "Things.",
        )],
        ..Table::EMPTY
    };

    #[test]
    fn a_table_below_a_section_has_a_heading_that_is_linked_to() {
        let text = page(&File {
            name: "t",
            title: "T",
            says: "A file.",
            root: &ROOT,
        });
        assert!(
            text.starts_with("# T\n\nA file.\n\n## `[[things]]`\n\nThings.\n"),
            "{text}"
        );
        assert!(text.contains("| `inner` | [table](#thingsinner) | **required** | More. |"));
        assert!(text.contains("\n### `things.inner`\n\nWhat is inside.\n"));
        assert!(
            text.contains("One\\|other."),
            "a bar would end the cell: {text}"
        );
    }
}
