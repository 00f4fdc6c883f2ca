//! The commands that keep users, groups and accounts, run on a database.

use super::{Builder, TestServer};
use rusqlite::Connection;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A scratch directory, a site in it, and the database that the commands are told to use.
pub struct Managed {
    pub builder: Builder,
    pub database: PathBuf,
}

/// What a command did.
pub struct Done {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Managed {
    /// A database that is not there yet.
    pub fn new() -> Managed {
        let builder = TestServer::with(&[]);
        Managed { database: builder.outside("made.sqlite3"), builder }
    }

    /// The site that real Django made.
    pub fn site() -> Managed {
        let builder = TestServer::with(&[]);
        Managed { database: builder.outside("site.sqlite3"), builder }
    }

    /// One with the user eva, password `first secret`, who has an account in the group staff.
    pub fn with_eva() -> Managed {
        let managed = Managed::new();
        managed.says(
            &["user", "create", "eva", "--password-stdin"],
            "first secret\n",
            "User pk=1, \"eva\" was created.",
        );
        let home = managed.builder.homes().join("{username}").display().to_string();
        managed.says(&["group", "create", "staff", &home], "", "FTP user group pk=1, staff was created.");
        managed.says(&["account", "create", "eva", "staff"], "", "FTP user account pk=1, \"eva\" was created.");
        managed
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, words: &[&str], input: &str) -> Done {
        finish(self.command(words).arg("--database").arg(&self.database), input)
    }

    /// It succeeds, and this is the last line that it says.
    #[track_caller]
    pub fn says(&self, words: &[&str], input: &str, last: &str) {
        let done = self.run(words, input);
        assert_eq!((done.status, &*done.err), (0, ""), "{words:?}");
        assert_eq!(done.out.lines().last(), Some(last), "{words:?}");
    }

    /// It is refused with this status and one line that has this text.
    #[track_caller]
    pub fn refuses(&self, words: &[&str], input: &str, status: i32, text: &str) {
        let done = self.run(words, input);
        assert_eq!((done.status, &*done.out), (status, ""), "{words:?}: {}", done.err);
        assert!(done.err.starts_with("django-ftpd: ") && done.err.matches('\n').count() == 1, "{}", done.err);
        assert!(done.err.contains(text), "{words:?}: {}", done.err);
        assert!(!done.err.contains(|c: char| c.is_control() && c != '\n'), "{}", done.err);
    }

    /// The lines of a list as JSON.
    pub fn list(&self, noun: &str) -> Vec<Value> {
        let done = self.run(&[noun, "list", "--json"], "");
        assert_eq!((done.status, &*done.err), (0, ""));
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Django's side.
    pub fn open(&self) -> Connection {
        Connection::open(&self.database).unwrap()
    }

    pub fn execute(&self, sql: &str) {
        self.open().execute_batch(sql).unwrap();
    }

    pub fn count(&self, from: &str) -> i64 {
        self.open().query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0)).unwrap()
    }

    pub fn serve(self) -> (TestServer, PathBuf) {
        let database = self.database.to_str().unwrap();
        (self.builder.args(&["--database", database]).start(), self.database)
    }
}

/// Runs it to its end, with this as its input.
pub fn finish(command: &mut Command, input: &str) -> Done {
    let mut child = command.spawn().unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
