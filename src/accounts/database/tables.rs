//! Where a site keeps its users: found in the schema, for sites may have a user model of their own.

use super::super::user::{FieldNames, FtpAccount, Groups, User};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

const ACCOUNTS: &str = "django_ftpserver_ftpuseraccount";
const ACCOUNT_GROUPS: &str = "django_ftpserver_ftpusergroup";
const USERS: &str = "auth_user";
const GROUPS: &str = "auth_group";

/// Tables without pages are those of modules, which need not be there.
const BY_REFERENCES: &str = "SELECT m.name, u.\"from\", g.\"from\" FROM sqlite_master m, \
    pragma_foreign_key_list(m.name) u, pragma_foreign_key_list(m.name) g \
    WHERE m.type = 'table' AND m.rootpage > 0 AND u.\"table\" = ?1 AND g.\"table\" = ?2 \
    AND (SELECT count(*) FROM pragma_table_info(m.name)) = 3 ORDER BY m.name <> ?1 || '_groups'";

/// In a database that began with Django 1.6 or older it has Django's names, but does not say that it refers to users; from
/// Django before 2.1.5 with a newer SQLite it refers to a table that has gone. Where it refers to another one, it is not it.
const BY_NAME: &str = "SELECT m.name, u.name, g.name FROM sqlite_master m, \
    pragma_table_info(m.name) u, pragma_table_info(m.name) g, pragma_table_info(m.name) i \
    WHERE m.type = 'table' AND m.rootpage > 0 AND m.name = ?1 || '_groups' \
    AND g.name = 'group_id' AND i.name = 'id' AND u.name NOT IN ('id', 'group_id') \
    AND (SELECT count(*) FROM pragma_table_info(m.name)) = 3 \
    AND NOT EXISTS (SELECT 1 FROM pragma_foreign_key_list(m.name) f JOIN sqlite_master r ON r.name = f.\"table\" \
    WHERE f.\"table\" <> iif(f.\"from\" = 'group_id', ?2, ?1))";
/// How Django begins a password that matches none.
const UNUSABLE: &str = "!";

/// The questions to one site's tables.
#[derive(Debug)]
pub(super) struct Tables {
    /// The name of the one with the users.
    pub(super) users: String,
    /// All users.
    all: String,
    /// The users of a name.
    find: String,
    /// The groups of a user.
    groups: Option<String>,
    has_groups: bool,
    has_accounts: bool,
}

/// Why no user can be told.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// The tables are not as they should be.
    Schema(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Sqlite(error)
    }
}

impl Tables {
    /// Looks for the tables of users, their groups and the accounts of django-ftpserver.
    pub(super) fn discover(connection: &Connection, names: &FieldNames) -> Result<Tables, Fault> {
        let has_accounts = !columns(connection, ACCOUNTS)?.is_empty();
        let referred = if has_accounts { referred_table(connection, ACCOUNTS, "user_id")? } else { None };
        let users = names.user_table.clone().or(referred.clone()).unwrap_or_else(|| USERS.to_string());
        // A view may show them under other names; another table has other users with the same keys.
        if let Some(referred) = referred.filter(|referred| *referred != users)
            && !is_view(connection, &users)?
        {
            return Err(Fault::Schema(format!(
                "its FTP accounts are those of users in {referred}, and user_table says {users}; leave user_table out"
            )));
        }
        let of_users = columns(connection, &users)?;
        if of_users.is_empty() {
            return Err(Fault::Schema(format!(
                "there is no table {users}; is this the site's database, and was `manage.py migrate` run?"
            )));
        }
        let has = |name: &str| of_users.iter().any(|column| column.name == name);
        // A user model may do without such a column, and then everybody is active. Django's own has it.
        let needs_active = users == USERS || names.active != FieldNames::default().active;
        for (name, option, is_needed) in [
            (&names.username, "username_field", true),
            (&names.password, "password_field", true),
            (&names.active, "active_field", needs_active),
        ] {
            if is_needed && !has(name) {
                let known: Vec<&str> = of_users.iter().map(|column| column.name.as_str()).collect();
                let known = known.join(", ");
                return Err(Fault::Schema(format!(
                    "table {users} has no column {name}; {option} names another of its columns: {known}"
                )));
            }
        }
        let key = of_users.iter().find(|column| column.is_key).map_or("id", |column| &column.name);
        let or =
            |name: &str, constant: &str| if has(name) { format!("u.{}", quoted(name)) } else { constant.to_string() };
        let (active, superuser) = (or(&names.active, "1"), or(&names.superuser, "0"));
        let account = match has_accounts {
            true => format!(
                "a.id, g.id, g.name, g.permission, a.home_dir, g.home_dir FROM {} u \
                 LEFT JOIN {ACCOUNTS} a ON a.user_id = u.{key} LEFT JOIN {ACCOUNT_GROUPS} g ON g.id = a.group_id",
                quoted(&users),
                key = quoted(key),
            ),
            false => format!("NULL FROM {} u", quoted(&users)),
        };
        let (key, username, password) = (quoted(key), quoted(&names.username), quoted(&names.password));
        let all = format!("SELECT u.{key}, u.{username}, u.{password}, {active}, {superuser}, {account}");
        connection.prepare(&all)?; // every column is there
        Ok(Tables {
            find: format!("{all} WHERE u.{username} = ?1 LIMIT 2"),
            all,
            groups: groups_question(connection, &users)?,
            has_groups: !columns(connection, GROUPS)?.is_empty(),
            has_accounts,
            users,
        })
    }

    pub(super) fn has_accounts(&self) -> bool {
        self.has_accounts
    }

    /// The users of this name, at most two.
    pub(super) fn find(&self, connection: &Connection, username: &str) -> rusqlite::Result<Vec<User>> {
        let mut statement = connection.prepare_cached(&self.find)?;
        let mut rows = statement.query([username])?;
        let mut users = Vec::new();
        while let Some(row) = rows.next()? {
            if let Some(mut user) = read_user(row) {
                user.site_has_accounts = self.has_accounts;
                if user.ftp.is_none() {
                    user.groups = self.groups_of(connection, row.get_ref(0)?)?;
                }
                users.push(user);
            }
        }
        Ok(users)
    }

    /// Shows all users, without their groups of Django.
    pub(super) fn visit(&self, connection: &Connection, visit: &mut dyn FnMut(&User)) -> rusqlite::Result<()> {
        let mut statement = connection.prepare(&self.all)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(mut user) = read_user(row) {
                user.site_has_accounts = self.has_accounts;
                visit(&user);
            }
        }
        Ok(())
    }

    /// The names of all groups.
    pub(super) fn all_groups(&self, connection: &Connection) -> rusqlite::Result<Groups> {
        let column = |name: &str, table: &str, exists: bool| match exists {
            true => {
                let mut statement = connection.prepare(&format!("SELECT {name} FROM {table} WHERE {name} <> ''"))?;
                let names = statement.query_map([], |row| row.get(0))?;
                names.collect()
            }
            false => Ok(Vec::new()),
        };
        Ok(Groups {
            ftp: column("name", ACCOUNT_GROUPS, self.has_accounts)?,
            homes: column("home_dir", ACCOUNT_GROUPS, self.has_accounts)?,
            django: column("name", GROUPS, self.has_groups)?,
        })
    }

    fn groups_of(&self, connection: &Connection, key: ValueRef<'_>) -> rusqlite::Result<Vec<String>> {
        let Some(question) = &self.groups else { return Ok(Vec::new()) };
        let mut statement = connection.prepare_cached(question)?;
        let names = statement.query_map([rusqlite::types::Value::try_from(key)?], |row| row.get(0))?;
        names.collect()
    }
}

/// A user with their account, if they have one. An account whose group has gone is none, and opens no other door.
/// What is wrong with one user is theirs alone: values that can't be read let nobody in, and keep nobody else out.
fn read_user(row: &Row) -> Option<User> {
    let ftp = match row.get(5) {
        Ok(None) => None,
        Ok(Some(id)) => Some(read_account(row, id)?),
        Err(_) => return None,
    };
    Some(User {
        id: key_text(row.get_ref(0).ok()?),
        username: row.get(1).ok()?,
        // Who has no password, has an unusable one.
        password: row.get(2).unwrap_or_else(|_| UNUSABLE.to_string()),
        is_active: row.get(3).unwrap_or(false),
        is_superuser: row.get(4).unwrap_or(false),
        groups: Vec::new(),
        ftp,
        site_has_accounts: false,
    })
}

fn read_account(row: &Row, id: i64) -> Option<FtpAccount> {
    // An empty home is none, as in Python.
    let home = |column: usize| -> Option<Option<String>> {
        row.get(column).map(|text: Option<String>| text.filter(|text| !text.is_empty())).ok()
    };
    row.get::<_, i64>(6).ok()?;
    let permission = row.get::<_, Option<String>>(8).ok()?.unwrap_or_default();
    Some(FtpAccount { id, group: row.get(7).ok()?, permission, home: home(9)?.or(home(10)?) })
}

/// Keys are numbers, or UUIDs as text.
fn key_text(key: ValueRef<'_>) -> String {
    match key {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

fn is_view(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.prepare("SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = ?1")?.exists([name])
}

struct Column {
    name: String,
    is_key: bool,
}

/// The columns of a table; none if there is no such table.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_info(?1)")?;
    let columns = statement.query_map([table], |row| Ok(Column { name: row.get(0)?, is_key: row.get(1)? }))?;
    columns.collect()
}

/// The table that a column refers to.
fn referred_table(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare("SELECT \"table\" FROM pragma_foreign_key_list(?1) WHERE \"from\" = ?2")?;
    let mut tables = statement.query_map([table, column], |row| row.get(0))?;
    tables.next().transpose()
}

/// How to ask for a user's groups: through the table that Django makes for that, which refers to both and has nothing
/// else. Others that refer to both may mean anything by it.
fn groups_question(connection: &Connection, users: &str) -> rusqlite::Result<Option<String>> {
    for tables_between in [BY_REFERENCES, BY_NAME] {
        let mut statement = connection.prepare(tables_between)?;
        let mut found = statement.query_map([users, GROUPS], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
        let between: Option<[String; 3]> = found.next().transpose()?;
        if let Some(names) = between {
            let [table, user, group] = names.map(|name| quoted(&name));
            return Ok(Some(format!(
                "SELECT g.name FROM {GROUPS} g JOIN {table} t ON t.{group} = g.id WHERE t.{user} = ?1 ORDER BY g.name"
            )));
        }
    }
    Ok(None)
}

/// A name as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
