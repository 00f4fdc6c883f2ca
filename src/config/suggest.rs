//! Which option somebody meant who wrote another name.

use super::Problem;
use super::options::{OPTIONS, Opt};

/// The option whose name is at most two slips from `written`, however its words are joined. In a short name two slips
/// make another word: who writes `port` does not mean `export`.
pub(super) fn nearest(written: &str) -> Option<&'static Opt> {
    let name = nearest_of(OPTIONS.iter().map(|option| option.name), written)?;
    OPTIONS.iter().find(|option| option.name == name)
}

/// The nearest of such names.
pub(super) fn nearest_of(names: impl Iterator<Item = &'static str>, written: &str) -> Option<&'static str> {
    let written = written.to_lowercase().replace('-', "_");
    let most = (written.len().saturating_sub(1) / 2).min(2);
    let near = names.map(|name| (distance(name, &written), name)).filter(|(slips, _)| *slips <= most);
    near.min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

/// The refusal of `written`, with the name that was meant, if one is near.
pub(super) fn no_such_option(written: &str, meant: Option<String>) -> Problem {
    let hint = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    Problem::new(format!("{written}: no such option{hint}"))
}

/// Levenshtein's: letters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.chars().enumerate() {
            let replaced = row[j] + usize::from(x != y);
            next.push(replaced.min(row[j + 1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row[b.chars().count()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("passive_ports", "pasive_ports"), 1);
    }

    #[test]
    fn the_closest_option_is_suggested_and_a_far_one_is_not() {
        assert_eq!(nearest("MAX-CONS").map(|o| o.name), Some("max_cons"));
        assert_eq!(nearest("pasv_timout").map(|o| o.name), Some("pasv_timeout"));
        assert!(nearest("colour").is_none() && nearest("port").is_none());
    }
}
