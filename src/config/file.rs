//! The file of options: TOML, one key for each option, sections for groups and networks, tables of programs. Every
//! problem names the file, and the line if there is one; the values of options are not looked at here.

use crate::files;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::str;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::options::{Kind, OPTIONS};
use super::programs;
use super::sections::{self, scalar};
use super::stores;
use super::suggest::{nearest, no_such_option};
use super::webhooks;
use super::{Problem, Sections, Setting};

/// Sections of a hundred thousand users have room.
pub(super) const MOST: u64 = 16 << 20;

/// What a file says.
pub(super) struct File {
    pub(super) settings: Vec<Setting>,
    pub(super) sections: Sections,
}

/// What the file at `path` says.
pub(super) fn read(path: &Path) -> Result<File, Problem> {
    let name = path.display().to_string();
    let bytes = files::read(path, MOST).map_err(|error| Problem::new(format!("{name}: {}", reason(&error))))?;
    parse(&name, &bytes)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".into(),
        ErrorKind::IsADirectory => "is a directory, not a file".into(),
        ErrorKind::PermissionDenied => "this user may not read it".into(),
        _ => format!("cannot be read: {error}"),
    }
}

pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<File, Problem> {
    // "name:line" of a position in the file.
    let at = |position: usize| {
        let newlines = bytes.iter().take(position).filter(|byte| **byte == b'\n').count();
        format!("{name}:{}", newlines + 1)
    };
    let text = str::from_utf8(bytes)
        .map_err(|error| Problem::new(format!("{}: is not UTF-8 text", at(error.valid_up_to()))))?;
    let table = DeTable::parse(text).map_err(|error| {
        let position = error.span().map_or(bytes.len(), |span| span.start);
        Problem::new(format!("{}: {}", at(position), in_plain_words(error.message())))
    })?;

    let mut entries: Vec<_> = table.into_inner().into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut file = File { settings: Vec::new(), sections: Sections::default() };
    for (key, value) in &entries {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("user", DeValue::Table(users)) => file.sections.users = sections::people(&at, "user", users)?,
            ("group", DeValue::Table(groups)) => file.sections.groups = sections::people(&at, "group", groups)?,
            ("network", DeValue::Table(networks)) => file.sections.networks = sections::networks(&at, networks)?,
            ("s3", DeValue::Table(keys)) => file.sections.s3 = Some(stores::s3(&at, keys, key.span().start)?),
            ("gcs", DeValue::Table(keys)) => file.sections.gcs = Some(stores::gcs(&at, keys, key.span().start)?),
            ("exec", DeValue::Array(tables)) => file.sections.execs = programs::execs(&at, tables)?,
            ("gate", DeValue::Array(tables)) => file.sections.gates = programs::gates(&at, tables)?,
            ("webhook", DeValue::Array(tables)) => file.sections.webhooks = webhooks::webhooks(&at, tables)?,
            (kind @ ("exec" | "gate" | "webhook"), _) => {
                let origin = at(key.span().start);
                return Err(Problem::new(format!("{origin}: {kind}: there may be several, so it is [[{kind}]]")));
            }
            _ => file.settings.push(setting(&at(key.span().start), key, value)?),
        }
    }
    Ok(file)
}

/// "unexpected leading zero, expected nothing" ends at the comma; "…, expected `=`" helps.
fn in_plain_words(message: &str) -> &str {
    match message.split_once(", expected ") {
        Some((what, expected)) if !expected.contains('`') => what,
        _ => message,
    }
}

fn setting(at: &str, key: &Spanned<DeString>, value: &Spanned<DeValue>) -> Result<Setting, Problem> {
    let key = key.get_ref();
    let origin = format!("{at}: {key}");
    let option = OPTIONS.iter().find(|option| option.name == key);
    let is_words = option.is_some_and(|option| matches!(option.kind, Kind::Words(..)));
    let value = plain(value.get_ref(), is_words)
        .map_err(|what| Problem::new(format!("{origin}: is {what}, which no option takes")))?;
    match option {
        Some(option) if option.is_for_file() => Ok(Setting { origin, option, value: value.into() }),
        Some(_) => Err(Problem::new(format!("{origin}: a file cannot name another file"))),
        None => Err(no_such_option(&origin, nearest(key).map(|option| option.name.into()))),
    }
}

/// The text of a value as it would stand on the command line, or what it is instead.
fn plain(value: &DeValue, is_words: bool) -> Result<String, &'static str> {
    match value {
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| scalar(item.get_ref())).collect::<Result<_, _>>()?;
            Ok(if is_words { items.iter().map(|item| format!("{item}\n")).collect() } else { items.join(",") })
        }
        value => scalar(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: impl AsRef<[u8]>, why: &str) {
        match parse("x.conf", text.as_ref()) {
            Ok(_) => panic!("accepted"),
            Err(problem) => assert_eq!(problem.to_string(), why),
        }
    }

    #[test]
    fn every_plain_type_becomes_text() {
        let text = "\
            timeout = 0.5\n\
            max_cons = 1_000\n\
            umask = 0o27\n\
            sendfile = false\n\
            passive_ports = [12345, '30000-30100']\n\
            \"database\" = \"\"\"/srv/db\"\"\"\n";
        let settings = parse("x.conf", text.as_bytes()).unwrap().settings;
        let values: Vec<_> = settings.iter().map(|s| (s.origin.as_str(), s.value.to_str().unwrap())).collect();
        assert_eq!(
            values,
            [
                ("x.conf:1: timeout", "0.5"),
                ("x.conf:2: max_cons", "1000"),
                ("x.conf:3: umask", "0o27"),
                ("x.conf:4: sendfile", "false"),
                ("x.conf:5: passive_ports", "12345,30000-30100"),
                ("x.conf:6: database", "/srv/db"),
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_comments_and_windows_line_ends_are_harmless() {
        let settings = parse("x.conf", b"\xef\xbb\xbf# c\r\n\r\ntimeout = 5 # c\r\n").unwrap().settings;
        assert_eq!(settings.len(), 1);
        assert_eq!(settings[0].origin, "x.conf:3: timeout");
    }

    #[test]
    fn unknown_keys() {
        refused("\n\npasive_ports = 1", "x.conf:3: pasive_ports: no such option; did you mean passive_ports?");
        refused("passive-ports = 1", "x.conf:1: passive-ports: no such option; did you mean passive_ports?");
        refused("colour = 'x'\nanother = 1", "x.conf:1: colour: no such option");
        refused("\"a\\nb\" = 1", "x.conf:1: a\\nb: no such option");
        refused("config = 'y.conf'", "x.conf:1: config: a file cannot name another file");
    }

    #[test]
    fn unsuitable_types() {
        refused("#\n[server]\ntimeout = 5", "x.conf:2: server: is a section or table, which no option takes");
        refused("timeout = { a = 1 }", "x.conf:1: timeout: is a section or table, which no option takes");
        refused("timeout.a = 1", "x.conf:1: timeout: is a section or table, which no option takes");
        refused("[[timeout]]", "x.conf:1: timeout: is a section or table, which no option takes");
        refused("timeout = 2026-01-01", "x.conf:1: timeout: is a date or time, which no option takes");
        refused("passive_ports = [[1]]", "x.conf:1: passive_ports: is a list of lists, which no option takes");
    }

    #[test]
    fn sections() {
        let text = b"[group.cameras]\ntls = 'optional'\nquota = '5 GB'\n[network.'10.0.0.0/8']\ntls = 'required'\n\
            [user.'the boss']\npermission = 'elr'\nexpires = 2030-12-31\nread_only = ['/a', 'b']\nmax_sessions = 2";
        let sections = parse("x.conf", text).unwrap().sections;
        let [(cameras, group)] = sections.groups.as_slice() else { panic!("{sections:?}") };
        assert_eq!((cameras.as_str(), group.tls, group.rule.quota), ("cameras", Some(false), Some(5_000_000_000)));
        let [(boss, user)] = sections.users.as_slice() else { panic!("{sections:?}") };
        assert_eq!((boss.as_str(), user.tls), ("the boss", None));
        assert_eq!(user.rule.expires.unwrap().to_string(), "2030-12-31T00:00:00Z");
        let read_only: Vec<_> = user.rule.read_only.iter().flatten().map(|path| path.as_bytes()).collect();
        assert_eq!(read_only, [b"/a", b"/b"]);
        assert_eq!(sections.networks, [("10.0.0.0/8".parse().unwrap(), true)]);
    }

    #[test]
    fn faults_in_sections() {
        refused("\n[group.a]\ntls = 'on'", "x.conf:3: group.\"a\".tls: \"on\" is not required or optional");
        refused("[group.a]\ntls = true", "x.conf:2: group.\"a\".tls: the value has to be a text in quotes");
        refused("[user.a]\nqouta = '1 GB'", "x.conf:2: user.\"a\".qouta: no such option; did you mean quota?");
        refused("[user.a]\nhome = []", "x.conf:2: user.\"a\".home: the value has to be a text in quotes");
        refused("[user.a]\nhome = '../x'", "x.conf:2: user.\"a\".home: \"../x\": a home is an absolute path");
        refused(
            "[user.a]\nread_only = true",
            "x.conf:2: user.\"a\".read_only: the value has to be a list of texts in quotes",
        );
        refused("[user.a]\nquota = 1.5", "x.conf:2: user.\"a\".quota: the value has to be such as \"5 GB\"");
        refused("[user.a]\nmax_sessions = '2'", "x.conf:2: user.\"a\".max_sessions: the value has to be a number");
        refused("[user.a]\nhome.x = 1", "x.conf:2: user.\"a\".home: the value has to be a text in quotes");
        refused(
            "[network.'::/0']\nhome = 'x'",
            "x.conf:2: network.\"::/0\".home: options for everybody stand above all sections",
        );
        refused(
            "[group.a]\ntls = 'required'\njournal = 'x'",
            "x.conf:3: group.\"a\".journal: options for everybody stand above all sections",
        );
        refused("[group.a]", "x.conf:1: group.\"a\": says nothing");
        refused("user.a = 1", "x.conf:1: user.\"a\": is no section, such as [user.\"a\"]");
        refused("group = 1", "x.conf:1: group: no such option");
        let why = "\"10.0.0.1/8\" has bits behind its prefix; 10.0.0.0/8 is the network";
        refused("[network.'10.0.0.1/8']\ntls = 'optional'", &format!("x.conf:1: network.\"10.0.0.1/8\": {why}"));
        refused("[user.a]\nnetworks = ['10.0.0.1/8']", &format!("x.conf:2: user.\"a\".networks: {why}"));
    }

    #[test]
    fn programs() {
        let text = b"[[exec]]\nname = 'a-1_B'\ncommand = ['/bin/echo', '{path}', 'x']\nevents = 'ftp_login'\n\
            [[exec]]\nname = 'b'\ncommand = '/bin/true'\nparallel = 4\ntimeout = 0.5\ntries = 1\nuser = 'ftp'\n\
            [[gate]]\nname = 'a-1_B'\ncommand = ['/bin/true', '{bytes}']\non_error = 'accept'";
        let sections = parse("x.conf", text).unwrap().sections;
        let [first, second] = sections.execs.as_slice() else { panic!("{sections:?}") };
        assert_eq!((first.name.as_deref(), first.tries.get(), first.user.as_deref()), (Some("a-1_B"), 5, None));
        assert_eq!(format!("{:?} {:?}", first.events, second.events), "[Login] [FileReceived]");
        assert_eq!((second.parallel.get(), second.tries.get(), second.timeout.as_millis()), (4, 1, 500));
        assert_eq!(second.user.as_deref(), Some("ftp"));
        assert_eq!(format!("{:?}", sections.gates[0].on_error), "Accept");
    }

    #[test]
    fn faults_of_programs() {
        refused("\n[[exec]]\ncommand = '/x'", "x.conf:2: exec: has no name; give it one, such as name = \"first\"");
        let why = "has no command; name its program, such as command = [\"/bin/true\"]";
        refused("[[gate]]\nname = 'a'", &format!("x.conf:1: gate: {why}"));
        let twice = "[[gate]]\nname = 'a'\ncommand = '/x'\n".repeat(2);
        refused(twice, "x.conf:4: gate.name: \"a\" is taken already");
        refused("[[gate]]\nname = '../a'", "x.conf:2: gate.name: \"../a\" is not a name of letters, digits, - and _");
        refused("[[exec]]\ncommand = 'x y'", "x.conf:2: exec.command: x y: a program is named by its absolute path");
        refused("[[exec]]\ncommand = []", "x.conf:2: exec.command: no program is named");
        let known =
            "only {path}, {virtual_path}, {target}, {username}, {remote_ip}, {bytes}, {{ and }} can be used in braces";
        refused("[[gate]]\ncommand = ['/x', '{seq}']", &format!("x.conf:2: gate.command: \"{{seq}}\": {known}"));
        refused(
            "[[exec]]\nevents = ['ftp_nothing']",
            "x.conf:2: exec.events: \"ftp_nothing\" is not an event such as ftp_login",
        );
        refused("[[exec]]\nevents = []", "x.conf:2: exec.events: names no event");
        refused("[[exec]]\ntimeout = 0", "x.conf:2: exec.timeout: \"0\" is not a number of seconds above 0");
        refused("[[exec]]\nparallel = 0", "x.conf:2: exec.parallel: \"0\" is not a whole number above 0");
        refused("[[gate]]\non_error = 'pass'", "x.conf:2: gate.on_error: \"pass\" is not refuse or accept");
        refused("[[gate]]\ncomand = 'x'", "x.conf:2: gate.comand: no such option; did you mean command?");
        refused("[gate]\nname = 'a'", "x.conf:1: gate: there may be several, so it is [[gate]]");
        refused("exec = 1", "x.conf:1: exec: there may be several, so it is [[exec]]");
    }

    #[test]
    fn text_that_is_no_toml() {
        refused("\ntimeout 5", "x.conf:2: key with no value, expected `=`");
        refused("\ntimeout =\nhome = 'x'", "x.conf:2: string values must be quoted");
        refused("home = /srv", "x.conf:1: string values must be quoted");
        refused("banner = 'x", "x.conf:1: invalid literal string, expected `'`");
        refused("umask = 022", "x.conf:1: unexpected leading zero");
        refused("timeout = 1\ntimeout = 2", "x.conf:2: duplicate key");
        refused(b"# caf\xc3\xa9\nbanner = 'caf\xe9'", "x.conf:2: is not UTF-8 text");
    }

    #[test]
    fn files_that_cannot_be_read() {
        let problem = |path: &str| read(Path::new(path)).err().unwrap().to_string();
        assert_eq!(problem("/nowhere/x.conf"), "/nowhere/x.conf: no such file");
        assert_eq!(problem("/dev/zero"), "/dev/zero: cannot be read: it is no regular file");
        assert_eq!(problem("/"), "/: is a directory, not a file");
        assert_eq!(reason(&ErrorKind::PermissionDenied.into()), "this user may not read it");
    }
}
