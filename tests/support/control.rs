//! The commands that speak with a server that runs.

use super::{Builder, Done, TestServer, finish};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

impl Builder {
    /// With a control socket beside the homes.
    pub fn control(self) -> Builder {
        let socket = self.outside("control.sock");
        self.args(&["--control", socket.to_str().unwrap()])
    }
}

impl TestServer {
    pub fn control(&self) -> PathBuf {
        self.outside("control.sock")
    }

    /// A command to this server.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        command.args(words).arg("--control").arg(self.control());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn ask(&self, words: &[&str]) -> Done {
        finish(&mut self.command(words), "")
    }

    /// It succeeds; what it says.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> String {
        let done = self.ask(words);
        assert_eq!((done.status, &*done.err), (0, ""), "{words:?}: {}", done.out);
        done.out
    }

    /// It fails with this status and one line that has this text.
    #[track_caller]
    pub fn refuses(&self, words: &[&str], status: i32, text: &str) {
        let done = self.ask(words);
        assert_eq!(done.status, status, "{}", done.err);
        assert!(done.err.contains(text) && done.err.lines().count() == 1 && done.out.is_empty(), "{}", done.err);
    }

    /// Who is on, as `who --json` tells it.
    #[track_caller]
    pub fn sessions(&self) -> Vec<Value> {
        let lines = self.says(&["who", "--json"]);
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line.get("session").is_some()).collect()
    }

    /// The metric of this name and these labels.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.says(&["metrics"]);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Sends bytes to the control socket; all that comes back.
    pub fn tell_socket(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.control()).unwrap();
        // Who is turned away need not be heard.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}
