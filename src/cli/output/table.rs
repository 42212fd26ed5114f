//! Tables whose columns stand below each other.

use super::Style;

/// Rows of cells. Control characters of a cell are escaped: no text of a tenant moves the cursor.
#[derive(Debug)]
pub(in crate::cli) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Column {
    heading: &'static str,
    to_the_right: bool,
}

impl Table {
    /// A table with these columns. A heading that begins with `>` has its column set to the right,
    /// as numbers are.
    pub(in crate::cli) fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        let column = |heading: &'static str| Column {
            heading: heading.trim_start_matches('>'),
            to_the_right: heading.starts_with('>'),
        };
        Self {
            columns: headings.into_iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Cells that it lacks are empty, and those beyond the last column left out.
    pub(in crate::cli) fn row<const N: usize>(&mut self, cells: [&dyn ToString; N]) {
        let mut row: Vec<String> = cells
            .into_iter()
            .map(|cell| printable(&cell.to_string()))
            .collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// The text, without a line feed at its end.
    pub(in crate::cli) fn render(&self, style: Style) -> String {
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(index));
                let widest = cells.map(|cell| width(cell)).max().unwrap_or_default();
                widest.max(width(column.heading))
            })
            .collect();
        let headings: Vec<&str> = self.columns.iter().map(|it| it.heading).collect();
        let mut lines = vec![style.heading(self.line(&headings, &widths))];
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            lines.push(self.line(&cells, &widths));
        }
        lines.join("\n")
    }

    fn line(&self, cells: &[&str], widths: &[usize]) -> String {
        let cells = self.columns.iter().zip(cells).zip(widths);
        let aligned = cells.map(|((column, cell), wide)| {
            let padding = " ".repeat(wide.saturating_sub(width(cell)));
            if column.to_the_right {
                format!("{padding}{cell}")
            } else {
                format!("{cell}{padding}")
            }
        });
        let line = aligned.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escaped = character.is_control().then(|| character.escape_default());
            let plain = escaped.is_none().then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use anstream::ColorChoice;

    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_numbers_to_the_right() {
        let mut table = Table::new(["tenant", ">usd"]);
        table.row([&"acme", &"1.5"]);
        table.row([&"a-longer-one", &"10.25"]);
        assert_eq!(
            table.render(Style::of(ColorChoice::Never)),
            "tenant          usd\nacme            1.5\na-longer-one  10.25"
        );
    }

    #[test]
    fn a_cell_can_not_move_the_cursor() {
        let mut table = Table::new(["name"]);
        table.row([&"a\u{1b}[2Jb\nc"]);
        let text = table.render(Style::of(ColorChoice::Never));
        assert_eq!(text, "name\na\\u{1b}[2Jb\\nc");
    }
}
