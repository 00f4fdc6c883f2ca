//! `django-ftpd group …`: the groups of FTP accounts.

use super::arguments::{Given, Verb, switch, value};
use super::lists::{Cell, Column, ID, column};
use super::{Failure, JSON, change, home, home_change, list, open, quoted, tell, tell_if_made};
use crate::accounts::schema::{Database, GroupChange, GroupName, Letters};
use crate::protocol::shown::Shown;

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "create",
        words: &["NAME"],
        last: Some("HOME_DIR"),
        choices: &[&[value("--permission", "LETTERS")]],
        needs_flag: false,
        doc: "Create a group, and the database if there is none. HOME_DIR may have {username} in it. Without \
              LETTERS it has elradfmw.",
        run: create,
    },
    Verb {
        name: "list",
        words: &[],
        last: None,
        choices: JSON,
        needs_flag: false,
        doc: "List all groups; with --json as a line of JSON each.",
        run: list_all,
    },
    Verb {
        name: "change",
        words: &["NAME"],
        last: None,
        choices: &[
            &[value("--permission", "LETTERS")],
            &[value("--home", "HOME_DIR"), switch("--no-home")],
            &[value("--rename", "NEW")],
        ],
        needs_flag: true,
        doc: "Change a group; it holds from the next command of each session. Letters, at most 8: e enter \
              directories, l list, r download, a append, d delete, f rename, m make directories, w upload, M \
              change modes, T change times.",
        run: change_one,
    },
    Verb {
        name: "delete",
        words: &["NAME"],
        last: None,
        choices: &[],
        needs_flag: false,
        doc: "Delete a group that has no accounts.",
        run: delete,
    },
];

const COLUMNS: &[Column] = &[
    ID,
    column("name", "NAME"),
    column("permission", "PERMISSION"),
    column("home_dir", "HOME"),
    column("accounts", "ACCOUNTS"),
];

fn create(given: &Given) -> Result<(), Failure> {
    let name = GroupName::parse(given.word("NAME")).map_err(Failure::Configuration)?;
    let letters = given.text("--permission").map_or(Ok(Letters::default()), Letters::parse);
    let letters = letters.map_err(Failure::Configuration)?;
    let home = home(given.text("HOME_DIR"))?;
    let mut database = Database::open_or_make(given.database()).map_err(Failure::Runtime)?;
    let create = database.change(|tables| tables.create_group(&name, &letters, home.as_ref()));
    let id = create.map_err(Failure::Runtime)?;
    tell_if_made(&database, given);
    // The words of django-ftpserver.
    tell(&format!("FTP user group pk={id}, {} was created.", Shown(name.as_str().as_bytes())));
    Ok(())
}

fn list_all(given: &Given) -> Result<(), Failure> {
    let groups = open(given)?.read(|tables| tables.groups()).map_err(Failure::Runtime)?;
    let rows = groups.into_iter().map(|group| {
        vec![
            Cell::Number(group.id),
            Cell::Text(group.name),
            Cell::Text(group.permission),
            Cell::Maybe(group.home),
            Cell::Number(group.accounts),
        ]
    });
    list(given, COLUMNS, &rows.collect::<Vec<_>>(), "No FTP user groups found.");
    Ok(())
}

fn change_one(given: &Given) -> Result<(), Failure> {
    let to = GroupChange {
        permission: given.text("--permission").map(Letters::parse).transpose().map_err(Failure::Configuration)?,
        home: home_change(given)?,
        name: given.text("--rename").map(GroupName::parse).transpose().map_err(Failure::Configuration)?,
    };
    let name = given.word("NAME");
    let id = change(given, |tables| tables.change_group(name, &to))?;
    tell(&format!("FTP user group pk={id}, {} was changed.", quoted(name)));
    Ok(())
}

fn delete(given: &Given) -> Result<(), Failure> {
    let name = given.word("NAME");
    let id = change(given, |tables| tables.delete_group(name))?;
    tell(&format!("FTP user group pk={id}, {} was deleted.", quoted(name)));
    Ok(())
}
