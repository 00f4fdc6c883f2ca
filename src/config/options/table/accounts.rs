//! Who may log in, and where they are.

use super::super::super::value::{identifier, letters, line, period};
use super::super::Initial::{Is, Unset};
use super::super::Kind::{MaybeSwitch, Path, Value, Words};
use super::super::{Opt, put};

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "address",
        group: "General",
        kind: Value("HOST:PORT", |c, v| put(&mut c.address, v.parse())),
        default: Is("127.0.0.1:21"),
        doc: "Address to listen on; 0.0.0.0:21 is every IPv4 address of this machine.",
    },
    Opt {
        name: "config",
        group: "General",
        kind: Path(|c| &mut c.config),
        default: Unset("none", "/etc/django-ftpd.conf"),
        doc: "File with options, one NAME = VALUE on each line.",
    },
    Opt {
        name: "database",
        group: "Accounts",
        kind: Path(|c| &mut c.database),
        default: Unset("none", "/srv/site/db.sqlite3"),
        doc: "SQLite database of the Django site.",
    },
    Opt {
        name: "export",
        group: "Accounts",
        kind: Path(|c| &mut c.export),
        default: Unset("none", "/srv/site/users.json"),
        doc: "Instead of a database, a file that manage.py dumpdata wrote (JSON or JSON lines, also gzipped); \
              read anew when it changes.",
    },
    Opt {
        name: "all_users",
        group: "Accounts",
        kind: MaybeSwitch(|c| &mut c.all_users),
        default: Unset("where there are no FTP accounts", "true"),
        doc: "Let every active user of the site log in, also without an FTP account; so it is where a site has no FTP accounts, if home is set.",
    },
    Opt {
        name: "home",
        group: "Accounts",
        kind: Value("TEMPLATE", |c, v| put(&mut c.home, line(v).map(Some))),
        default: Unset("<parent of the server user's home>/{username}", "/srv/ftp/{username}"),
        doc: "Home of an account when neither it nor its group names one.",
    },
    Opt {
        name: "read_perms",
        group: "Accounts",
        kind: Value("LETTERS", |c, v| put(&mut c.read_perms, letters(v))),
        default: Is("elr"),
        doc: "What users without an FTP account may do.",
    },
    Opt {
        name: "write_perms",
        group: "Accounts",
        kind: Value("LETTERS", |c, v| put(&mut c.write_perms, letters(v))),
        default: Is("adfmwMT"),
        doc: "What superusers among them may do in addition.",
    },
    Opt {
        name: "user_table",
        group: "Accounts",
        kind: Value("TABLE", |c, v| put(&mut c.user_table, identifier(v).map(Some))),
        default: Unset("that of FTP accounts, else auth_user", "shop_customer"),
        doc: "Table of the site's users.",
    },
    Opt {
        name: "username_field",
        group: "Accounts",
        kind: Value("COLUMN", |c, v| put(&mut c.username_field, identifier(v))),
        default: Is("username"),
        doc: "Column that people log in with, such as email: the user model's USERNAME_FIELD.",
    },
    Opt {
        name: "password_field",
        group: "Accounts",
        kind: Value("COLUMN", |c, v| put(&mut c.password_field, identifier(v))),
        default: Is("password"),
        doc: "Column of the stored passwords.",
    },
    Opt {
        name: "active_field",
        group: "Accounts",
        kind: Value("COLUMN", |c, v| put(&mut c.active_field, identifier(v))),
        default: Is("is_active"),
        doc: "Column that tells who may log in; where there is none, all may.",
    },
    Opt {
        name: "superuser_field",
        group: "Accounts",
        kind: Value("COLUMN", |c, v| put(&mut c.superuser_field, identifier(v))),
        default: Is("is_superuser"),
        doc: "Column that tells who is a superuser; where there is none, nobody is.",
    },
    Opt {
        name: "accounts_command",
        group: "Accounts",
        kind: Words("PROGRAM", |c| &mut c.accounts_command),
        default: Unset("none", "/usr/local/bin/ftp-accounts"),
        doc: "Program that decides logins instead of a site, asked in JSON; blanks part it from its arguments, a \
              list in a file does so, too.",
    },
    Opt {
        name: "accounts_command_timeout",
        group: "Accounts",
        kind: Value("SECONDS", |c, v| put(&mut c.accounts_command_timeout, period(v))),
        default: Is("5"),
        doc: "Seconds in which that program has to answer.",
    },
    Opt {
        name: "accounts_command_user",
        group: "Accounts",
        kind: Value("USER", |c, v| put(&mut c.accounts_command_user, line(v).map(Some))),
        default: Unset("the server's", "nobody"),
        doc: "User of this system that the program runs as, which only root can choose.",
    },
];
