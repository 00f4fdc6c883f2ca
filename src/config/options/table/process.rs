//! The process itself.

use super::super::super::value::{line, paths, seconds};
use super::super::Initial::{Is, Unset};
use super::super::Kind::{Path, Switch, Value};
use super::super::{Opt, put};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "daemonize",
        group: "Process",
        kind: Switch(|c| &mut c.daemonize),
        default: Is("false"),
        doc: "Go to the background once clients can connect; the log goes to log_file then, or to the system's log.",
    },
    Opt {
        name: "pidfile",
        group: "Process",
        kind: Path(|c| &mut c.pidfile),
        default: Unset("none", "/run/django-ftpd.pid"),
        doc: "File that has the number of the process while it runs, and lets only one server run with it.",
    },
    Opt {
        name: "file_access_user",
        group: "Process",
        kind: Value("USER", |c, v| put(&mut c.file_access_user, line(v).map(Some))),
        default: Unset("who starts it", "ftp"),
        doc: "User that the server becomes once it listens, if root starts it: a name, UID or UID:GID.",
    },
    Opt {
        name: "sandbox",
        group: "Process",
        kind: Switch(|c| &mut c.sandbox),
        default: Is("true"),
        doc: "Have the kernel (Landlock) keep the server to the homes and the files that this configuration names.",
    },
    Opt {
        name: "sandbox_paths",
        group: "Process",
        kind: Value("PATHS", |c, v| put(&mut c.sandbox_paths, paths(v))),
        default: Unset("none", "/srv/more, /mnt/disk2"),
        doc: "More directories, parted by commas, that the sandbox lets the server write in, such as those of later homes.",
    },
    Opt {
        name: "control",
        group: "Process",
        kind: Path(|c| &mut c.control),
        default: Unset("none", "/run/django-ftpd/control.sock"),
        doc: "Socket on which root and the server's own user find django-ftpd who, kick, ban, reload, drain, stop and metrics.",
    },
    Opt {
        name: "metrics_listen",
        group: "Process",
        kind: Value("HOST:PORT", |c, v| put(&mut c.metrics_listen, v.parse().map(Some))),
        default: Unset("none", "127.0.0.1:9121"),
        doc: "Address where Prometheus finds the metrics by HTTP; whoever reaches it can read them.",
    },
    Opt {
        name: "stop_timeout",
        group: "Process",
        kind: Value("SECONDS", |c, v| put(&mut c.stop_timeout, seconds(v))),
        default: Is("8"),
        doc: "Seconds that running transfers get when the server stops (0 = none).",
    },
];
