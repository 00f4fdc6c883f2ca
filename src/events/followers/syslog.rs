//! Events to the system's log, as RFC 5424 has it, over a datagram socket of this machine.

use super::{Follower, Trouble};
use crate::events::line::Line;
use crate::protocol::shown::Shown;
use crate::syslog::{self, Severity, SystemLog};
use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The structured data of a message ends here, so that something is left for people.
const LONGEST_DATA: usize = 6 << 10;
/// What comes behind the last value: two quotes and brackets.
const ENDS: usize = 2;
/// Who has no number of IANA uses the one for examples (RFC 5612).
const DATA_ID: &str = "event@32473";
/// How long a reader may let us wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// The system's log, behind its socket.
#[derive(Debug)]
pub struct Syslog {
    log: SystemLog,
    host: String,
}

impl Syslog {
    /// Its socket need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Result<Syslog, String> {
        let path = path.into();
        let log = SystemLog::new(&path, PATIENCE).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Syslog { log, host: syslog::host_name() })
    }
}

impl Follower for Syslog {
    fn deliver(&mut self, lines: &[Line]) -> Result<(), Trouble> {
        for line in lines {
            let message = message(line, &self.host);
            self.log.send(message.as_bytes()).map_err(|error| {
                let why = format!("{}: {error}", self.log.path().display());
                if is_about_message(&error) { Trouble::Event(why) } else { Trouble::Outage(why) }
            })?;
        }
        Ok(())
    }
}

/// The socket takes messages, but none so long.
fn is_about_message(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

/// `<94>1 TIME HOST django-ftpd PID ftp_login [event@32473 seq="7" …] ftp_login session=…`
fn message(line: &Line, host: &str) -> String {
    let event = line.event();
    let severity = match &*event {
        "ftp_login_failed" => Severity::Warning,
        event if event.ends_with("_incomplete") => Severity::Notice,
        _ => Severity::Informational,
    };
    let time = line.shown("time").filter(|time| is_word(time, 32)).unwrap_or("-".into());
    let kind = if is_word(&event, 32) { &*event } else { "-" };
    let mut message = syslog::header(severity, time, host, kind);
    // Writing to a text cannot fail.
    let _ = write!(message, " [{DATA_ID}");
    for (key, value) in line.fields().filter(|(key, _)| !matches!(*key, "time" | "event")) {
        write_parameter(&mut message, key, &value);
    }
    message.push_str("] ");
    let _ = write!(message, "{line}");
    syslog::cut(&mut message);
    message
}

fn is_word(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The value as the log shows it, without control characters, and as much of it as there is room for.
fn write_parameter(message: &mut String, key: &str, value: &[u8]) {
    let start = format!(" {key}=\"");
    if !is_word(key, 32) || message.len() + start.len() + ENDS > LONGEST_DATA {
        return;
    }
    message.push_str(&start);
    for c in Shown(value).to_string().chars() {
        let escape = if matches!(c, '"' | '\\' | ']') { "\\" } else { "" };
        if message.len() + escape.len() + c.len_utf8() + ENDS > LONGEST_DATA {
            break;
        }
        message.push_str(escape);
        message.push(c);
    }
    message.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::parse(text.as_bytes().to_vec()).unwrap()
    }

    fn shown(text: &str) -> String {
        message(&line(text), "host").replace(&format!(" {} ", std::process::id()), " PID ")
    }

    #[test]
    fn a_message_has_its_header_its_data_and_the_line_of_the_log() {
        let start = r#"{"seq":3,"time":"2026-01-02T03:04:05.678901Z","event":"ftp_"#;
        let rest = r#"","session":7,"username":"a]\"b\u000a\\\udcffü"}"#;
        let expected = |priority: u8, event: &str| {
            let data = r#"[event@32473 seq="3" session="7" username="a\]\\\"b\\x0a\\\\\\xffü"]"#;
            let text = r#"session=7 username="a]\"b\x0a\\\xffü""#;
            format!(
                "<{priority}>1 2026-01-02T03:04:05.678901Z host django-ftpd PID ftp_{event} {data} ftp_{event} {text}"
            )
        };
        for (priority, event) in [(94, "login"), (92, "login_failed"), (93, "file_sent_incomplete")] {
            assert_eq!(shown(&format!("{start}{event}{rest}")), expected(priority, event));
        }
        let odd = shown(r#"{"seq":1,"time":"now or never","event":"a b]"}"#);
        assert_eq!(odd, r#"<94>1 - host django-ftpd PID - [event@32473 seq="1"] a b]"#);
    }

    #[test]
    fn long_events_are_cut_where_no_quote_is_left_open() {
        for name in ["\\u000a", "ü", "]", "x"] {
            let name = name.repeat(4096);
            let text =
                format!(r#"{{"seq":1,"event":"ftp_file_renamed","path_from":"{name}","path_to":"{name}","z":1}}"#);
            let message = message(&line(&text), "host");
            assert!(message.len() <= syslog::LONGEST && message.len() > syslog::LONGEST - 4, "{}", message.len());
            let end = message.find("\"] ftp_file_renamed path_from=").unwrap();
            assert!(end < LONGEST_DATA, "{end}");
            let before = message[..end].bytes().rev().take_while(|&byte| byte == b'\\').count();
            assert_eq!(before % 2, 0, "the last quote is escaped");
        }
    }

    #[test]
    fn a_name_too_long_for_a_socket_is_refused() {
        let why = Syslog::new(format!("/tmp/{}", "x".repeat(200))).unwrap_err();
        assert!(why.contains("SUN_LEN"), "{why}");
    }
}
