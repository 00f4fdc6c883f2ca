//! Lists: columns for people, or a JSON object a line for machines.

use crate::protocol::json::Object;
use crate::protocol::shown::Shown;

/// A column.
pub(super) struct Column {
    /// Its key in JSON.
    pub(super) key: &'static str,
    /// Its title; None: it is for machines alone.
    pub(super) title: Option<&'static str>,
}

pub(super) const fn column(key: &'static str, title: &'static str) -> Column {
    Column { key, title: Some(title) }
}

/// The primary key, which people don't need.
pub(super) const ID: Column = Column { key: "id", title: None };

/// What stands in a column.
pub(super) enum Cell {
    Text(String),
    Number(i64),
    Truth(bool),
    /// As the database has it: `2026-01-02 03:04:05.678901`.
    Time(Option<String>),
    Maybe(Option<String>),
}

impl Cell {
    fn for_people(&self) -> String {
        match self {
            Cell::Text(text) | Cell::Maybe(Some(text)) => Shown(text.as_bytes()).to_string(),
            Cell::Time(Some(time)) => Shown(time.split('.').next().unwrap_or_default().as_bytes()).to_string(),
            Cell::Number(number) => number.to_string(),
            Cell::Truth(true) => "yes".to_string(),
            Cell::Truth(false) => "no".to_string(),
            Cell::Time(None) | Cell::Maybe(None) => "-".to_string(),
        }
    }

    fn for_machines(&self, key: &str, object: &mut Object) {
        match self {
            Cell::Text(text) | Cell::Maybe(Some(text)) | Cell::Time(Some(text)) => object.text(key, text.as_bytes()),
            Cell::Number(number) => object.integer_or_null(key, Some(*number)),
            Cell::Truth(truth) => object.truth(key, *truth),
            Cell::Time(None) | Cell::Maybe(None) => object.integer_or_null(key, None),
        }
    }
}

/// Each row as a line of JSON.
pub(super) fn json(columns: &[Column], rows: &[Vec<Cell>]) -> String {
    let line = |row: &Vec<Cell>| {
        let mut object = Object::default();
        columns.iter().zip(row).for_each(|(column, cell)| cell.for_machines(column.key, &mut object));
        String::from_utf8_lossy(&object.finish()).into_owned()
    };
    rows.iter().map(line).collect()
}

/// The rows below the titles, aligned.
pub(super) fn aligned(columns: &[Column], rows: &[Vec<Cell>]) -> String {
    let titles = columns.iter().filter_map(|column| column.title.map(String::from)).collect();
    let shown = |row: &Vec<Cell>| {
        let cells = columns.iter().zip(row).filter(|(column, _)| column.title.is_some());
        cells.map(|(_, cell)| cell.for_people()).collect::<Vec<String>>()
    };
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(rows.iter().map(shown)).collect();
    let width = |index: usize| {
        let cells = lines.iter().filter_map(|line| line.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        format!("{}\n", padded.collect::<String>().trim_end())
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[ID, column("name", "NAME"), column("on", "ON"), column("at", "AT")];

    fn rows() -> Vec<Vec<Cell>> {
        let row = |id, name: &str, on, at: Option<&str>| {
            vec![Cell::Number(id), Cell::Text(name.into()), Cell::Truth(on), Cell::Time(at.map(String::from))]
        };
        vec![row(1, "ünï", true, None), row(2, "e\x1B[31m\n\"", false, Some("2026-01-02 03:04:05.678901"))]
    }

    #[test]
    fn people_get_aligned_columns_without_control_characters() {
        let expected = "\
            NAME             ON   AT\n\
            ünï              yes  -\n\
            e\\x1b[31m\\x0a\\\"  no   2026-01-02 03:04:05\n";
        assert_eq!(aligned(COLUMNS, &rows()), expected);
    }

    #[test]
    fn machines_get_a_line_of_json_for_each_row() {
        let expected = concat!(
            r#"{"id":1,"name":"ünï","on":true,"at":null}"#,
            "\n",
            r#"{"id":2,"name":"e\u001b[31m\u000a\"","on":false,"at":"2026-01-02 03:04:05.678901"}"#,
            "\n"
        );
        assert_eq!(json(COLUMNS, &rows()), expected);
    }
}
