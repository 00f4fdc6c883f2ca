//! What may stand in the columns of the tables: text that Django and the server both accept.

use super::quoted;
use crate::accounts::{HomeTemplate, Permissions, password};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::io;

/// Django's default of 5.2.
const ITERATIONS: u32 = 1_000_000;

/// A username that Django accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// The name of an FTP group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName(String);

/// What the accounts of a group may do, as letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letters(String);

/// The template of a home directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(String);

/// An e-mail address, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Email(String);

/// What the password column holds; never shown.
pub struct StoredPassword(String);

impl Username {
    /// Reads a name, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Username, String> {
        at_most(150, "username", text)?;
        match text.chars().find(|c| !c.is_alphanumeric() && !"_@.+-".contains(*c)) {
            Some(c) => Err(format!(
                "username {}: {} is not allowed; there are letters, digits and @ . + - _",
                quoted(text),
                quoted(c.encode_utf8(&mut [0; 4]))
            )),
            None => Ok(Username(text.to_string())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl GroupName {
    /// Reads a name, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<GroupName, String> {
        at_most(30, "group name", text)?;
        match text.contains(char::is_control) || text.trim() != text {
            true => Err(format!("group name {}: no control characters, and no spaces around it", quoted(text))),
            false => Ok(GroupName(text.to_string())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Letters {
    /// Reads letters, or says what is wrong with them.
    pub fn parse(text: &str) -> Result<Letters, String> {
        let all: String = Permissions::all().letters().map(char::from).collect();
        match text.chars().find(|letter| !all.contains(*letter)) {
            Some(c) => Err(format!(
                "permission {}: {} is none of the letters {all}",
                quoted(text),
                quoted(c.encode_utf8(&mut [0; 4]))
            )),
            None => at_most(8, "permission", text).map(|()| Letters(text.to_string())),
        }
    }

    /// The letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Letters {
    /// What django-ftpserver gives a new group: everything but changing modes and times.
    fn default() -> Letters {
        Letters("elradfmw".to_string())
    }
}

impl Home {
    /// Reads a template, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Home, String> {
        at_most(1024, "home", text)?;
        HomeTemplate::parse(text).map_err(|why| format!("home: {why}"))?;
        Ok(Home(text.to_string()))
    }

    /// The template.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Email {
    /// Reads an address, or says what is wrong with it. As in Django, the case of its domain is lost.
    pub fn parse(text: &str) -> Result<Email, String> {
        at_most(254, "e-mail address", text)?;
        let strange = |c: char| c.is_control() || c.is_whitespace();
        match text.rsplit_once('@') {
            Some((name, domain)) if !name.is_empty() && !domain.is_empty() && !text.contains(strange) => {
                Ok(Email(format!("{name}@{}", domain.to_lowercase())))
            }
            _ => Err(format!("e-mail address {}: it should be like ann@example.org", quoted(text))),
        }
    }

    /// The address; empty if there is none.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StoredPassword {
    /// Hashes a password as Django does, which takes a while.
    pub fn hashed(password: &[u8]) -> io::Result<StoredPassword> {
        StoredPassword::hashed_with(password, ITERATIONS)
    }

    /// The same with other iterations than Django's.
    pub fn hashed_with(password: &[u8], iterations: u32) -> io::Result<StoredPassword> {
        password::encode(password, iterations).map(StoredPassword)
    }

    /// As `set_unusable_password()` of Django: `!` and 40 random characters, as which no password is stored.
    pub fn unusable() -> io::Result<StoredPassword> {
        let mut random = [0; 30];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        Ok(StoredPassword(format!("!{}", Base64UrlUnpadded::encode_string(&random))))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredPassword(…)")
    }
}

/// Refuses text that is empty, or longer than its column.
fn at_most(most: usize, what: &str, text: &str) -> Result<(), String> {
    match text.chars().count() {
        0 => Err(format!("{what}: it is empty")),
        count if count > most => {
            Err(format!("{what} {}: it has {count} characters, and Django's column takes {most}", quoted(text)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_username_of_ascii_that_django_accepts_is_accepted() {
        for name in ["ann", "Ann.B+c@example.org", "-", "..", "_", "0", "ünï", "名前", &"x".repeat(150)] {
            assert!(Username::parse(name).is_ok(), "{name}");
        }
        for byte in 0..=127 {
            let c = char::from(byte);
            let django = c.is_ascii_alphanumeric() || "@.+-_".contains(c);
            assert_eq!(Username::parse(&format!("a{c}b")).is_ok(), django, "{c:?}");
        }
    }

    #[test]
    fn usernames_that_django_refuses() {
        let why = |name: &str| Username::parse(name).unwrap_err();
        assert_eq!(why(""), "username: it is empty");
        assert_eq!(why("a b"), "username \"a b\": \" \" is not allowed; there are letters, digits and @ . + - _");
        assert!(why("a\n").contains("\"\\x0a\" is not allowed"));
        assert!(why(&"ü".repeat(151)).ends_with("it has 151 characters, and Django's column takes 150"));
    }

    #[test]
    fn letters_are_known_and_fit_their_column() {
        assert_eq!(Letters::parse("elr"), Ok(Letters("elr".into())));
        assert_eq!(Letters::parse("MT").unwrap().as_str(), "MT");
        assert!(Letters::parse(Letters::default().as_str()).is_ok());
        assert_eq!(Letters::parse("elx").unwrap_err(), "permission \"elx\": \"x\" is none of the letters elradfmwMT");
        assert!(Letters::parse("elradfmwM").unwrap_err().contains("9 characters, and Django's column takes 8"));
        assert_eq!(Letters::parse("").unwrap_err(), "permission: it is empty");
    }

    #[test]
    fn groups_homes_and_addresses() {
        assert!(GroupName::parse("the staff").is_ok());
        for bad in ["", " staff", "a\nb", &"x".repeat(31)] {
            assert!(GroupName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Home::parse("/srv/{username}").is_ok());
        for bad in ["", "/srv/{group}", &"x".repeat(1025)] {
            assert!(Home::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Email::parse("Ann@Example.ORG").unwrap().as_str(), "Ann@example.org");
        for bad in ["", "ann", "@example.org", "ann@", "a b@example.org", &format!("{}@x", "x".repeat(253))] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_unusable_password_is_as_long_as_djangos_and_never_the_same() {
        let (one, two) = (StoredPassword::unusable().unwrap(), StoredPassword::unusable().unwrap());
        assert!(one.0.starts_with('!') && one.0.len() == 41 && one.0 != two.0);
        assert!(!format!("{one:?}").contains(&one.0));
    }
}
