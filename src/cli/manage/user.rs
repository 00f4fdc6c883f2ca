//! `django-ftpd user …`: the users of the site.

use super::arguments::{Flag, Given, Verb, switch, value};
use super::lists::{Cell, Column, ID, column};
use super::{Failure, JSON, change, list, open, password, quoted, tell, tell_if_made};
use crate::accounts::schema::{Database, Email, NewUser, UserChange, Username};

const PASSWORD: &[Flag] = &[switch("--password-stdin"), switch("--no-password")];
const SUPERUSER: Flag = switch("--superuser");

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "create",
        words: &["NAME"],
        last: None,
        choices: &[&[SUPERUSER], &[value("--email", "ADDRESS")], PASSWORD],
        needs_flag: false,
        doc: "Create a user, and the database if there is none. The password is asked for on the terminal, or read \
              from a line of standard input; a user without one can't log in.",
        run: create,
    },
    Verb {
        name: "list",
        words: &[],
        last: None,
        choices: JSON,
        needs_flag: false,
        doc: "List all users; with --json as a line of JSON each.",
        run: list_all,
    },
    Verb {
        name: "password",
        words: &["NAME"],
        last: None,
        choices: &[PASSWORD],
        needs_flag: false,
        doc: "Give a user another password; FTP sessions with the old one end.",
        run: set_password,
    },
    Verb {
        name: "change",
        words: &["NAME"],
        last: None,
        choices: &[
            &[switch("--active"), switch("--inactive")],
            &[SUPERUSER, switch("--no-superuser")],
            &[value("--rename", "NEW")],
        ],
        needs_flag: true,
        doc: "Change a user. One who is inactive can't log in, neither here nor at the site; a superuser may do \
              everything in the site's admin.",
        run: change_one,
    },
    Verb {
        name: "delete",
        words: &["NAME"],
        last: None,
        choices: &[],
        needs_flag: false,
        doc: "Delete a user with their FTP account, unless other tables of the site refer to the user. Files stay.",
        run: delete,
    },
];

const COLUMNS: &[Column] = &[
    ID,
    column("username", "NAME"),
    column("is_active", "ACTIVE"),
    column("is_superuser", "SUPERUSER"),
    column("password", "PASSWORD"),
    column("last_login", "LAST LOGIN AT THE SITE"),
];

fn create(given: &Given) -> Result<(), Failure> {
    let username = Username::parse(given.word("NAME")).map_err(Failure::Configuration)?;
    let email = given.text("--email").map_or(Ok(Email::default()), Email::parse).map_err(Failure::Configuration)?;
    // Nobody should type a password twice to be told that the name is taken.
    if std::fs::metadata(given.database()).is_ok_and(|file| file.len() > 0) {
        open(given)?.read(|tables| tables.refuse_taken(&username)).map_err(Failure::Runtime)?;
    }
    let password = password::new(given, username.as_str())?;
    let mut database = Database::open_or_make(given.database()).map_err(Failure::Runtime)?;
    let is_superuser = given.has("--superuser");
    let user = NewUser { username: &username, password: &password, email: &email, is_superuser };
    let id = database.change(|tables| tables.create_user(&user)).map_err(Failure::Runtime)?;
    tell_if_made(&database, given);
    tell(&format!("User pk={id}, {} was created.", quoted(username.as_str())));
    Ok(())
}

fn list_all(given: &Given) -> Result<(), Failure> {
    let users = open(given)?.read(|tables| tables.users()).map_err(Failure::Runtime)?;
    let rows = users.into_iter().map(|user| {
        vec![
            Cell::Number(user.id),
            Cell::Text(user.username),
            Cell::Truth(user.is_active),
            Cell::Truth(user.is_superuser),
            Cell::Text(user.password.to_string()),
            Cell::Time(user.last_login),
        ]
    });
    list(given, COLUMNS, &rows.collect::<Vec<_>>(), "No users found.");
    Ok(())
}

fn set_password(given: &Given) -> Result<(), Failure> {
    let name = given.word("NAME");
    let mut database = open(given)?;
    database.read(|tables| tables.user(name)).map_err(Failure::Runtime)?;
    let password = password::new(given, name)?;
    let id = database.change(|tables| tables.set_password(name, &password)).map_err(Failure::Runtime)?;
    tell(&format!("User pk={id}, {}: the password was changed.", quoted(name)));
    Ok(())
}

fn change_one(given: &Given) -> Result<(), Failure> {
    let to = UserChange {
        is_active: given.either("--active", "--inactive"),
        is_superuser: given.either("--superuser", "--no-superuser"),
        username: given.text("--rename").map(Username::parse).transpose().map_err(Failure::Configuration)?,
    };
    let name = given.word("NAME");
    let id = change(given, |tables| tables.change_user(name, &to))?;
    tell(&format!("User pk={id}, {} was changed.", quoted(name)));
    Ok(())
}

fn delete(given: &Given) -> Result<(), Failure> {
    let name = given.word("NAME");
    let deleted = change(given, |tables| tables.delete_user(name))?;
    if let Some(account) = deleted.account {
        tell(&format!("FTP user account pk={account}, {} was deleted.", quoted(name)));
    }
    tell(&format!("User pk={}, {} was deleted.", deleted.user, quoted(name)));
    Ok(())
}
