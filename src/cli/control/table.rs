//! Columns for people: as wide as what is in them, and no line wider than the terminal.

use crate::events::Line;
use crate::protocol::shown::Shown;

/// No column but the last is wider.
const WIDEST: usize = 24;

/// Rows of cells.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(titles: &[&str]) -> Table {
        Table { rows: vec![titles.iter().map(|title| title.to_string()).collect()] }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The lines, none longer than this.
    pub(super) fn text(&self, most: Option<usize>) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns).map(|column| self.width(column)).collect();
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if index + 1 == columns {
                    line.push_str(cell);
                } else {
                    let cell = cut(cell, *width);
                    line.push_str(&cell);
                    line.extend(std::iter::repeat_n(' ', width + 2 - width_of(&cell)));
                }
            }
            let line = line.trim_end();
            most.map_or(line.to_string(), |most| cut(line, most)) + "\n"
        };
        self.rows.iter().map(line).collect()
    }

    fn width(&self, column: usize) -> usize {
        let widths = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width_of(cell));
        widths.max().unwrap_or(0).min(WIDEST)
    }
}

/// A text of the server's, harmless; `-` if there is none.
pub(super) fn word(line: &Line, key: &str) -> String {
    line.text(key).map_or("-".to_string(), |text| Shown(&text).to_string())
}

/// The text, or as much of it as there is room for.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width_of(text) <= most {
        return text.to_string();
    }
    let (mut kept, mut width) = (String::new(), 1);
    for c in text.chars() {
        width += char_width(c);
        if width > most {
            break;
        }
        kept.push(c);
    }
    kept + if most == 0 { "" } else { "…" }
}

fn width_of(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// How many columns a terminal gives it: what is combined takes none, what is written in East Asia takes two.
fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' => 0,
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE6F}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{1F300}'..='\u{1FAFF}'
        | '\u{20000}'..='\u{3FFFD}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_are_cut() {
        let mut table = Table::new(&["A", "LAST"]);
        table.row(["日本".to_string(), "a long last cell".to_string()]);
        table.row(["x".repeat(40), "y".to_string()]);
        let wide = table.text(None);
        let expected =
            format!("A{}LAST\n日本{}a long last cell\n{}…  y\n", " ".repeat(25), " ".repeat(22), "x".repeat(23));
        assert_eq!(wide, expected);
        assert!(table.text(Some(10)).lines().all(|line| width_of(line) <= 10));
        assert_eq!(cut("日本", 3), "日…");
    }
}
