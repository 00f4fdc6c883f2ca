//! What a line of the log looks like: for people, for programs, for the system's log.

use crate::protocol::json::Object;
use crate::syslog::{self, Severity};
use jiff::Timestamp;
use log::{Level, Record};
use rustix::fs::fstat;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

/// One of its forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// `2026-01-02T03:04:05.678Z INFO  text`
    Text,
    /// An object with `time`, `level`, `target` and `message`.
    Json,
    /// `<6>text`, as journald has it; it knows the time.
    Journal {
        /// Whether an object takes the place of the text.
        is_json: bool,
    },
    /// A message of RFC 5424.
    System {
        /// Whether an object takes the place of the text.
        is_json: bool,
        /// The name of this machine.
        host: String,
    },
}

impl Shape {
    /// The same in journald.
    pub(super) fn journal(shape: Shape) -> Shape {
        Shape::Journal { is_json: shape == Shape::Json }
    }

    /// The same in the system's log.
    pub(super) fn system(shape: Shape) -> Shape {
        Shape::System { is_json: shape == Shape::Json, host: syslog::host_name() }
    }

    /// One line.
    pub(super) fn write(&self, out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
        let (time, level, text) = (Timestamp::now(), record.level(), record.args());
        let said = |is_json: bool| if is_json { object(time, record) } else { format!("{text}\n") };
        match self {
            Shape::Text => writeln!(out, "{time:.3} {level:<5} {text}"),
            Shape::Json => out.write_all(object(time, record).as_bytes()),
            Shape::Journal { is_json } => write!(out, "<{}>{}", severity(level) as u8, said(*is_json)),
            Shape::System { is_json, host } => {
                let header = syslog::header(severity(level), format!("{time:.6}"), host, "-");
                let mut message = format!("{header} - {}", said(*is_json));
                syslog::cut(&mut message);
                out.write_all(message.as_bytes())
            }
        }
    }

    /// A line about the log itself, which can't be logged.
    pub(super) fn warning(&self, text: &str) -> Vec<u8> {
        let mut line = Vec::new();
        let mut record = Record::builder();
        record.level(Level::Warn).target("django_ftpd::log");
        // Writing to a vector cannot fail.
        let _ = self.write(&mut line, &record.args(format_args!("{text}")).build());
        line
    }
}

fn object(time: Timestamp, record: &Record<'_>) -> String {
    let mut object = Object::default();
    object.text("time", format!("{time:.3}").as_bytes());
    object.text("level", record.level().as_str().to_lowercase().as_bytes());
    object.text("target", record.target().as_bytes());
    object.text("message", record.args().to_string().as_bytes());
    String::from_utf8_lossy(&object.finish()).into_owned()
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::Error,
        Level::Warn => Severity::Warning,
        Level::Info => Severity::Informational,
        Level::Debug | Level::Trace => Severity::Debug,
    }
}

/// Whether what is written there goes to journald: JOURNAL_STREAM says where that reads.
pub(super) fn is_journal(stream: BorrowedFd<'_>) -> bool {
    let Ok(journal) = std::env::var("JOURNAL_STREAM") else { return false };
    fstat(stream).is_ok_and(|stat| journal == format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(shape: &Shape) -> String {
        String::from_utf8(shape.warning("it said \"no\"\u{1b}")).unwrap()
    }

    #[test]
    fn every_shape_is_one_line_that_tells_how_bad_it_is() {
        let end = "it said \"no\"\u{1b}\n";
        assert!(shown(&Shape::Text).ends_with(&format!("Z WARN  {end}")));
        assert_eq!(shown(&Shape::journal(Shape::Text)), format!("<4>{end}"));
        let system = shown(&Shape::system(Shape::Text));
        assert!(system.starts_with("<92>1 20") && system.ends_with(&format!(" - - {end}")), "{system}");
        let object = r#""level":"warn","target":"django_ftpd::log","message":"it said \"no\"\u001b"}"#;
        for shape in [Shape::Json, Shape::journal(Shape::Json), Shape::system(Shape::Json)] {
            let line = shown(&shape);
            assert!(line.contains(r#"{"time":"20"#) && line.ends_with(&format!("{object}\n")), "{line}");
        }
    }
}
