//! `django-ftpd account …`: the FTP accounts of users.

use super::arguments::{Given, Verb, switch, value};
use super::lists::{Cell, Column, ID, column};
use super::{Failure, JSON, change, home, home_change, list, open, quoted, tell};
use crate::accounts::schema::AccountChange;

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "create",
        words: &["USERNAME", "GROUP"],
        last: Some("HOME_DIR"),
        choices: &[],
        needs_flag: false,
        doc: "Give a user an FTP account; without HOME_DIR its home is the group's.",
        run: create,
    },
    Verb {
        name: "list",
        words: &[],
        last: None,
        choices: JSON,
        needs_flag: false,
        doc: "List all FTP accounts; with --json as a line of JSON each.",
        run: list_all,
    },
    Verb {
        name: "change",
        words: &["USERNAME"],
        last: None,
        choices: &[&[value("--group", "GROUP")], &[value("--home", "HOME_DIR"), switch("--no-home")]],
        needs_flag: true,
        doc: "Change an FTP account; it holds from the next command of each session.",
        run: change_one,
    },
    Verb {
        name: "delete",
        words: &["USERNAME"],
        last: None,
        choices: &[],
        needs_flag: false,
        doc: "Delete an FTP account; the user and the files stay.",
        run: delete,
    },
];

const COLUMNS: &[Column] = &[
    ID,
    column("username", "USERNAME"),
    column("group", "GROUP"),
    column("home_dir", "HOME"),
    column("last_login", "LAST LOGIN"),
];

fn create(given: &Given) -> Result<(), Failure> {
    let (username, group) = (given.word("USERNAME"), given.word("GROUP"));
    let home = home(given.text("HOME_DIR"))?;
    let id = change(given, |tables| tables.create_account(username, group, home.as_ref()))?;
    tell(&format!("FTP user account pk={id}, {} was created.", quoted(username)));
    Ok(())
}

fn list_all(given: &Given) -> Result<(), Failure> {
    let accounts = open(given)?.read(|tables| tables.accounts()).map_err(Failure::Runtime)?;
    let rows = accounts.into_iter().map(|account| {
        vec![
            Cell::Number(account.id),
            Cell::Text(account.username),
            Cell::Text(account.group),
            Cell::Maybe(account.home),
            Cell::Time(account.last_login),
        ]
    });
    list(given, COLUMNS, &rows.collect::<Vec<_>>(), "No FTP user accounts found.");
    Ok(())
}

fn change_one(given: &Given) -> Result<(), Failure> {
    let to = AccountChange { group: given.text("--group").map(String::from), home: home_change(given)? };
    let username = given.word("USERNAME");
    let id = change(given, |tables| tables.change_account(username, &to))?;
    tell(&format!("FTP user account pk={id}, {} was changed.", quoted(username)));
    Ok(())
}

fn delete(given: &Given) -> Result<(), Failure> {
    let username = given.word("USERNAME");
    let id = change(given, |tables| tables.delete_account(username))?;
    tell(&format!("FTP user account pk={id}, {} was deleted.", quoted(username)));
    Ok(())
}
