//! The table of options as people read it: `--help`, the README's table and the example file.

use toml::de::DeValue;

use super::HostPort;
use super::options::Initial::{Is, Unset};
use super::options::{OPTIONS, Opt};
use super::programs::{EXEC_KEYS, GATE_KEYS};
use super::sections::{KEYS, Key};
use super::stores::{GCS_KEYS, S3_KEYS};
use super::webhooks::WEBHOOK_KEYS;

const WIDTH: usize = 80;

/// The help of a command that listens on `address` unless told otherwise, and has these options of its own.
pub fn help_text(command: &str, address: &HostPort, own: &[(&str, &str)]) -> String {
    let mut text = format!("Usage: django-ftpd {command} [OPTIONS] [HOST:PORT]\n");
    for group in groups(OPTIONS) {
        text += &format!("\n{}:\n", heading(group));
        for option in group {
            let default = match option.is_positional() {
                true => address.to_string(),
                false => initial(option).into(),
            };
            text += &format!("  {} [default: {default}]\n", synopsis(option));
            text += &wrapped(option.doc, "      ");
        }
    }
    text += "\nOther:\n";
    text.extend(own.iter().map(|(flag, doc)| format!("  {flag}\n{}", wrapped(doc, "      "))));
    text += "  -h, --help
      Show this help.
  -V, --version
      Show the version.

Every option is also an environment variable (FTPSERVER_MAX_CONS=100) and a line
of the file that --config names (max_cons = 100). What the command line says
beats the environment, and the environment beats the file.
";
    text
}

/// What stands in files alone.
fn sections() -> String {
    let mut text = String::from(
        "
# --- For some only: sections, below everything else ---

# A network: whether its clients have to use TLS; the smallest that matches counts.
#[network.\"192.168.7.0/24\"]
#tls = \"optional\"

# A group: the FTP group of an account, or a Django group of users without one. Of
# several groups of a user, the first that says something counts.
#[group.\"staff\"]
",
    );
    text += &examples(KEYS);
    text += "
# A user: the same keys; they beat those of groups, and those beat what the site says.
#[user.\"ann\"]
#quota = \"20 GB\"

# --- Object stores that homes can be in, with storage = \"s3\" or \"gcs\" ---

# A bucket of S3: Amazon's, Garage, MinIO, Ceph, or with HMAC keys Google's.
#[s3]
";
    text += &examples(S3_KEYS);
    text += "
# A bucket of Google Cloud Storage.
#[gcs]
";
    text += &examples(GCS_KEYS);
    text += "
# --- Programs: as many of these as there are programs, at the end of the file ---

# A program that runs for each event of the journal, which has to be on. In its
# arguments, {path}, {virtual_path}, {path_to}, {virtual_path_to}, {username},
# {remote_ip}, {event} and {seq} are replaced; there is no shell.
#[[exec]]
";
    text += &examples(EXEC_KEYS);
    text += "
# A program that sees each upload, as its standard input, before it gets its name, and
# ends with 0 to let it pass. In its arguments, {path} (/dev/stdin), {virtual_path},
# {target}, {username}, {remote_ip} and {bytes} are replaced; there is no shell.
#[[gate]]
";
    text += &examples(GATE_KEYS);
    text += "
# --- Web servers, as many of these as there are, at the end of the file ---

# A web server that each event of the journal, which has to be on, is posted to.
#[[webhook]]
";
    text + &examples(WEBHOOK_KEYS)
}

fn examples<S>(keys: &[Key<S>]) -> String {
    let example = |key: &Key<S>| format!("\n{}#{} = {}\n", wrapped(key.doc, "# "), key.name, key.example);
    keys.iter().map(example).collect()
}

/// The README's table of keys in sections.
pub fn sections_table() -> String {
    keys_table(KEYS)
}

/// The README's table of keys of programs that run for events.
pub fn exec_table() -> String {
    keys_table(EXEC_KEYS)
}

/// The README's table of keys of programs that decide about uploads.
pub fn gate_table() -> String {
    keys_table(GATE_KEYS)
}

/// The README's table of keys of the bucket of S3.
pub fn s3_table() -> String {
    keys_table(S3_KEYS)
}

/// The README's table of keys of the bucket of Google.
pub fn gcs_table() -> String {
    keys_table(GCS_KEYS)
}

/// The README's table of keys of web servers.
pub fn webhook_table() -> String {
    keys_table(WEBHOOK_KEYS)
}

fn keys_table<S>(keys: &[Key<S>]) -> String {
    let mut text = String::from("| key | example | what it does |\n|---|---|---|\n");
    for key in keys {
        text += &format!("| `{}` | `{}` | {} |\n", key.name, key.example, key.doc);
    }
    text
}

/// The README's table of options.
pub fn markdown_table() -> String {
    let mut text = String::from("| option | default | what it does |\n|---|---|---|\n");
    for option in OPTIONS {
        let cells = [format!("`{}`", synopsis(option)), format!("`{}`", initial(option)), option.doc.into()];
        text += &format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

/// The example of a file of options: everything is there, and everything is commented out.
pub fn example_file() -> String {
    let mut text = wrapped(
        "Options of django-ftpd, which reads this file when --config or FTPSERVER_CONFIG names it. \
         What stands here, commented out, are the defaults, or examples where it says so. Flags \
         and environment variables beat this file.",
        "# ",
    );
    for group in groups(OPTIONS) {
        text += &format!("\n# --- {} ---\n", heading(group));
        for option in group.iter().filter(|option| option.is_for_file()) {
            let (note, value) = match option.default {
                Is(value) => (String::new(), value),
                Unset(means, example) => (format!("# Default: {means}. Example:\n"), example),
            };
            text += "\n";
            text += &wrapped(option.doc, "# ");
            text += &format!("{note}#{} = {}\n", option.name, toml(value));
        }
    }
    text + &sections()
}

pub(super) fn groups(options: &[Opt]) -> impl Iterator<Item = &[Opt]> {
    options.chunk_by(|a, b| a.group == b.group)
}

pub(super) fn heading(group: &[Opt]) -> &'static str {
    group.first().map_or("", |option| option.group)
}

fn synopsis(option: &Opt) -> String {
    let flag = option.flag();
    match (option.negated_flag(), option.placeholder()) {
        (Some(negated), _) => format!("{flag}, {negated}"),
        (None, Some(placeholder)) if !option.is_positional() => format!("{flag} {placeholder}"),
        _ => flag,
    }
}

pub(super) fn initial(option: &Opt) -> &'static str {
    match option.default {
        Is(text) | Unset(text, _) => text,
    }
}

/// The value as TOML: numbers and booleans bare, everything else in quotes.
pub(super) fn toml(value: &str) -> String {
    match DeValue::parse(value) {
        Ok(_) => value.into(),
        Err(_) => format!("{value:?}"),
    }
}

/// Lines of at most 80 columns, each behind `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from(indent);
    for word in text.split(' ') {
        if line.len() > indent.len() && line.len() + 1 + word.len() > WIDTH {
            lines += &line;
            lines += "\n";
            line.truncate(indent.len());
        }
        if line.len() > indent.len() {
            line += " ";
        }
        line += word;
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::OptionsFile;
    use crate::config::{Config, Loaded};
    use std::ffi::OsString;

    fn load_file(name: &str, text: &str) -> Config {
        let file = OptionsFile::new(name, text);
        let args = ["--config", file.path()].map(OsString::from);
        match Config::load(args.into_iter(), std::iter::empty()) {
            Ok(Loaded::Run(config)) => Config { config: None, ..*config },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_help_has_every_option_within_80_columns() {
        let help = help_text("demo", &"127.0.0.1:2121".parse().unwrap(), &[]);
        for option in OPTIONS {
            assert!(help.contains(&format!("\n  {} [default: ", synopsis(option))), "{}", option.name);
        }
        assert!(help.lines().all(|line| line.len() <= WIDTH), "{help}");
        assert!(help.starts_with("Usage: django-ftpd demo [OPTIONS] [HOST:PORT]\n"));
        assert!(help.contains("\n  HOST:PORT [default: 127.0.0.1:2121]\n"));
        assert!(help.contains("\n  --sendfile, --no-sendfile [default: true]\n"));
    }

    #[test]
    fn the_table_has_a_row_for_every_option() {
        let table = markdown_table();
        assert_eq!(table.lines().count(), OPTIONS.len() + 2);
        assert!(table.lines().all(|row| row.replace("\\|", "").matches('|').count() == 4), "{table}");
        assert!(table.contains("\n| `--timeout SECONDS` | `300` | Seconds a session may be idle (0 = no limit). |\n"));
    }

    #[test]
    fn the_example_file_changes_nothing() {
        assert_eq!(load_file("as-it-is", &example_file()), Config::default());
    }

    #[test]
    fn the_example_file_says_the_defaults_and_has_every_option() {
        // An option is "#name = value", other comments have a space after the "#".
        let is_option = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
        let example = example_file();
        let lines: Vec<_> = example.lines().filter(is_option).map(|line| &line[1..]).collect();
        let in_file: Vec<_> = OPTIONS.iter().filter(|o| o.is_for_file()).collect();
        let options = lines.iter().take_while(|line| !line.starts_with('['));
        let names: Vec<_> = options.map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, in_file.iter().map(|o| o.name).collect::<Vec<_>>());

        let with_default = lines.iter().zip(in_file).filter(|(_, o)| matches!(o.default, Is(_)));
        let defaults: Vec<_> = with_default.map(|(line, _)| *line).collect();
        assert_eq!(load_file("defaults", &defaults.join("\n")), Config::default());
        let examples = load_file("examples", &lines.join("\n"));
        let sections = &examples.sections;
        assert_eq!((sections.groups.len(), sections.users.len(), sections.networks.len()), (1, 1, 1));
        assert_eq!((sections.execs.len(), sections.gates.len(), sections.webhooks.len()), (1, 1, 1));
        for table in [format!("{:?}", sections.s3), format!("{:?}", sections.gcs)] {
            assert!(table.starts_with("Some(") && !table.contains("None"), "{table}");
        }
        let rule = format!("{:?}", sections.groups[0].1);
        assert!(!rule.contains("None"), "{rule}");
        assert!(sections.execs[0].user.is_some() && sections.gates[0].user.is_some());
    }
}
