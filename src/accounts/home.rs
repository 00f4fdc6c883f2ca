//! Home directories as django-ftpserver writes them: text for Python's `str.format(username=…)`.

use super::StorageKind;
use std::path::{Path, PathBuf};

/// A template such as `/srv/ftp/{username}`; `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeTemplate {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Username,
}

/// Where a home is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomePlace {
    /// The home itself; None: of a template alone.
    pub home: Option<PathBuf>,
    /// The directory in which its template has names, so that other homes may come to be there; None: it has none.
    pub area: Option<PathBuf>,
    /// What kind of place that is in; None: what the server has for everybody.
    pub storage: Option<StorageKind>,
}

impl HomeTemplate {
    /// Reads a template, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<HomeTemplate, String> {
        let wrong = |why: &str| Err(format!("\"{text}\": {why}"));
        if text.contains('\0') {
            return wrong("a NUL is not allowed");
        }
        if !text.starts_with('/') {
            return wrong("a home is an absolute path");
        }
        let (mut pieces, mut literal) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            literal.push_str(&rest[..brace]);
            rest = &rest[brace..];
            if let Some(tail) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                literal.push_str(&rest[..1]);
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("{username}") {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
                pieces.push(Piece::Username);
                rest = tail;
            } else {
                return wrong("only {username}, {{ and }} can be used in braces");
            }
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        Ok(HomeTemplate { pieces })
    }

    /// What the reference does where neither account nor group name a home: beside the server user's own.
    pub fn beside_own_home() -> HomeTemplate {
        HomeTemplate::beside(&std::env::home_dir().unwrap_or_else(|| PathBuf::from("/")))
    }

    /// The same for another user's.
    pub fn beside(own: &Path) -> HomeTemplate {
        let parent = own.parent().unwrap_or(Path::new("/")).join("");
        HomeTemplate { pieces: vec![Piece::Text(parent.to_string_lossy().into_owned()), Piece::Username] }
    }

    /// The directory in which it has names; None: it has none.
    pub fn area(&self) -> Option<PathBuf> {
        let [Piece::Text(before), Piece::Username, ..] = self.pieces.as_slice() else { return None };
        let (directory, _) = before.rsplit_once('/')?;
        Some(PathBuf::from(if directory.is_empty() { "/" } else { directory }))
    }

    /// Where the home of this user is; without one, where anybody's is.
    pub fn place(&self, username: Option<&str>) -> HomePlace {
        let area = self.area();
        let username = username.or_else(|| area.is_none().then_some(""));
        HomePlace { home: username.and_then(|username| self.expand(username).ok()), area, storage: None }
    }

    /// The home of this user. A name that would lead elsewhere is refused.
    pub fn expand(&self, username: &str) -> Result<PathBuf, String> {
        let is_used = self.pieces.contains(&Piece::Username);
        let leads_elsewhere = matches!(username, "" | "." | "..") || username.contains(['/', '\0']);
        if is_used && (leads_elsewhere || username.chars().any(char::is_control)) {
            return Err("the username can't be the name of a directory".to_string());
        }
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Username => username,
        });
        Ok(PathBuf::from(pieces.collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(template: &str, username: &str) -> Result<String, String> {
        HomeTemplate::parse(template)?.expand(username).map(|path| path.display().to_string())
    }

    #[test]
    fn templates_mean_what_python_means() {
        assert_eq!(home("/srv/{username}/ftp", "ann"), Ok("/srv/ann/ftp".into()));
        assert_eq!(home("/srv/{{x}}-{username}", "ann"), Ok("/srv/{x}-ann".into()));
        assert_eq!(home("/srv/shared", ".."), Ok("/srv/shared".into()));
        for bad in [
            "",
            "x",
            "../x",
            "{username}",
            "/x/{group}",
            "/x/{",
            "/x/}",
            "/x/{}",
            "/x/{username!r}",
            "/x/{username",
            "/\0",
        ] {
            assert!(home(bad, "ann").is_err(), "{bad}");
        }
    }

    #[test]
    fn areas_are_what_comes_before_names() {
        let area = |text: &str| HomeTemplate::parse(text).unwrap().area().map(|path| path.display().to_string());
        assert_eq!(area("/srv/ftp/{username}/in").as_deref(), Some("/srv/ftp"));
        assert_eq!(area("/srv/ftp-{username}").as_deref(), Some("/srv"));
        assert_eq!(area("/{username}").as_deref(), Some("/"));
        assert_eq!(area("/srv/{{a}}/b/{username}").as_deref(), Some("/srv/{a}/b"));
        assert_eq!(area("/srv/shared"), None);
    }

    #[test]
    fn no_name_leads_elsewhere() {
        for name in ["..", ".", "", "/", "a/b", "a\0b", "a\nb", "\u{1b}"] {
            assert!(home("/srv/{username}", name).is_err(), "{name:?}");
        }
        assert_eq!(home("/srv/{username}", "ünï"), Ok("/srv/ünï".into()));
        assert_eq!(home("/srv/{username}", "{username}"), Ok("/srv/{username}".into()));
    }

    #[test]
    fn the_default_is_beside_our_own_home() {
        let own = std::env::home_dir().unwrap();
        let expected = own.parent().unwrap_or(Path::new("/")).join("ann");
        assert_eq!(HomeTemplate::beside_own_home().expand("ann"), Ok(expected));
    }
}
