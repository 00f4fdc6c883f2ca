//! Files, and what is written down.

use super::super::super::value::{
    journal_full, journal_sync, limit, log_format, log_level, one_or_more, size, storage, umask,
};
use super::super::Initial::{Is, Unset};
use super::super::Kind::{Path, Switch, Value};
use super::super::{Opt, put};
use std::num::NonZeroU64;

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "storage",
        group: "Files",
        kind: Value("disk|s3|gcs", |c, v| put(&mut c.storage, storage(v))),
        default: Is("disk"),
        doc: "What kind of place homes are in; s3 and gcs need a section of that name in the file, and homes are prefixes of its bucket.",
    },
    Opt {
        name: "local_times",
        group: "Files",
        kind: Switch(|c| &mut c.local_times),
        default: Is("false"),
        doc: "Show local time instead of UTC in listings.",
    },
    Opt {
        name: "umask",
        group: "Files",
        kind: Value("OCTAL", |c, v| put(&mut c.umask, umask(v))),
        default: Is("022"),
        doc: "Permissions that new files and directories do not get.",
    },
    Opt {
        name: "atomic_uploads",
        group: "Files",
        kind: Switch(|c| &mut c.atomic_uploads),
        default: Is("true"),
        doc: "Give an upload its name when it is whole; false writes in place, so that a cut \
              upload can be resumed.",
    },
    Opt {
        name: "sync_uploads",
        group: "Files",
        kind: Switch(|c| &mut c.sync_uploads),
        default: Is("false"),
        doc: "Have an upload on the disk before it is acknowledged; safer in a power \
              cut, and slower.",
    },
    Opt {
        name: "create_parents",
        group: "Files",
        kind: Switch(|c| &mut c.create_parents),
        default: Is("false"),
        doc: "Create missing parent directories on STOR and MKD.",
    },
    Opt {
        name: "journal",
        group: "Events",
        kind: Path(|c| &mut c.journal),
        default: Unset("none", "/var/log/django-ftpd/events.jsonl"),
        doc: "File that gets every login, transfer and change as a line of JSON.",
    },
    Opt {
        name: "journal_size",
        group: "Events",
        kind: Value("SIZE", |c, v| put(&mut c.journal_size, size(v).map(NonZeroU64::new))),
        default: Is("100 MB"),
        doc: "Size at which the journal becomes FILE.1, what was FILE.1 becomes FILE.2, and so on (0 = never).",
    },
    Opt {
        name: "journal_keep",
        group: "Events",
        kind: Value("NUMBER", |c, v| put(&mut c.journal_keep, one_or_more(v))),
        default: Is("10"),
        doc: "Old files of the journal that are kept, at least 1.",
    },
    Opt {
        name: "journal_sync",
        group: "Events",
        kind: Value("os|always", |c, v| put(&mut c.journal_sync, journal_sync(v))),
        default: Is("os"),
        doc: "With always, a transfer or change is acknowledged only when its event is on the disk: safe in a power \
              cut, and slower.",
    },
    Opt {
        name: "journal_full",
        group: "Events",
        kind: Value("block|refuse|continue", |c, v| put(&mut c.journal_full, journal_full(v))),
        default: Is("block"),
        doc: "While the journal can't be written: block lets sessions wait, refuse turns away logins, transfers and \
              changes, continue goes on and may lose events.",
    },
    Opt {
        name: "audit_database",
        group: "Events",
        kind: Path(|c| &mut c.audit_database),
        default: Unset("none", "/srv/site/db.sqlite3"),
        doc: "SQLite database, the site's own or another, that gets every event of the journal as a row of the table \
              django_ftpd_event, which is made if it isn't there.",
    },
    Opt {
        name: "audit_days",
        group: "Events",
        kind: Value("NUMBER", |c, v| put(&mut c.audit_days, limit(v))),
        default: Is("0"),
        doc: "Days after which rows of audit_database are removed (0 = never).",
    },
    Opt {
        name: "xferlog",
        group: "Events",
        kind: Path(|c| &mut c.xferlog),
        default: Unset("none", "/var/log/django-ftpd/xferlog"),
        doc: "File that gets transfers and deletions in the format of wu-ftpd, for the tools that read it.",
    },
    Opt {
        name: "syslog",
        group: "Events",
        kind: Switch(|c| &mut c.syslog),
        default: Is("false"),
        doc: "Send events to the log of this system, too, as RFC 5424 has it.",
    },
    Opt {
        name: "syslog_socket",
        group: "Events",
        kind: Path(|c| &mut c.syslog_socket),
        default: Unset("/dev/log", "/run/django-ftpd/syslog"),
        doc: "Datagram socket that syslog sends to.",
    },
    Opt {
        name: "log_level",
        group: "Log",
        kind: Value("LEVEL", |c, v| put(&mut c.log_level, log_level(v))),
        default: Is("info"),
        doc: "What the log tells: error, warn, info, debug or trace, each with those before it; RUST_LOG beats it.",
    },
    Opt {
        name: "log_format",
        group: "Log",
        kind: Value("text|json", |c, v| put(&mut c.log_format, log_format(v))),
        default: Is("text"),
        doc: "Lines for people, or an object of JSON in each line.",
    },
    Opt {
        name: "log_file",
        group: "Log",
        kind: Path(|c| &mut c.log_file),
        default: Unset("standard error", "/var/log/django-ftpd/django-ftpd.log"),
        doc: "File that the log is appended to; it is opened anew when it was moved or removed, and at SIGHUP.",
    },
];
