//! A database with exactly the tables that Django and django-ftpserver make, for those who have none.

use super::password;
use rusqlite::{Connection, OpenFlags, params};
use std::io;
use std::path::Path;

/// What a real Django made; see tests/fixtures/make.
const SCHEMA: &str = include_str!("schema.sql");

/// A user to begin with.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The name.
    pub username: &'a str,
    /// The password in the clear.
    pub password: &'a [u8],
    /// Rounds of its hash.
    pub iterations: u32,
    /// The home directory.
    pub home: &'a str,
}

/// Makes a new database with one user in a group named `ftp`. A file that is there already is an error.
pub fn create(path: &Path, user: &NewUser) -> io::Result<()> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    fill(path, user).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
}

fn fill(path: &Path, user: &NewUser) -> Result<(), Box<dyn std::error::Error>> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute(
        "INSERT INTO auth_user (id, username, password, is_active, is_superuser, is_staff, first_name, last_name, email, date_joined) \
         VALUES (1, ?1, ?2, 1, 0, 0, '', '', '', strftime('%Y-%m-%d %H:%M:%f000', 'now'))",
        params![user.username, password::encode(user.password, user.iterations)?],
    )?;
    transaction.execute(
        "INSERT INTO django_ftpserver_ftpusergroup (id, name, permission) VALUES (1, 'ftp', 'elradfmw')",
        [],
    )?;
    transaction.execute(
        "INSERT INTO django_ftpserver_ftpuseraccount (user_id, group_id, home_dir) VALUES (1, 1, ?1)",
        [user.home.replace('{', "{{").replace('}', "}}")],
    )?;
    transaction.commit()?;
    Ok(())
}
