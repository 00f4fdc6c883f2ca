//! What the documents say is what the program does. After a change of options, `UPDATE_DOCUMENTS=1 cargo test` writes
//! the parts that are made from them.

use django_ftpd::config::{help, manual};
use django_ftpd::events::Kind;
use std::path::{Path, PathBuf};

fn document(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    (path, text)
}

#[track_caller]
fn holds(name: &str, expected: &str) {
    let (path, text) = document(name);
    if text != expected && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, expected).unwrap();
    } else {
        assert!(text == expected, "{name} is behind the options; run UPDATE_DOCUMENTS=1 cargo test");
    }
}

/// A part of the README.
#[track_caller]
fn holds_between(start: &str, end: &str, expected: &str) {
    holds_part("README.md", start, end, expected);
}

/// A part of a manual page, between comments.
#[track_caller]
fn page_holds(name: &str, part: &str, expected: &str) {
    let comment = |text: &str| format!(".\\\" {text} {part}\n");
    holds_part(name, &comment("made from the tables:"), &comment("end of"), expected);
}

#[track_caller]
fn holds_part(name: &str, start: &str, end: &str, expected: &str) {
    let (_, text) = document(name);
    let head = text.split_once(start).unwrap().0;
    let tail = text.split_once(end).unwrap().1;
    holds(name, &format!("{head}{start}{expected}{end}{tail}"));
}

fn run(args: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of the usage, such as "serve" and "user create".
fn commands() -> Vec<String> {
    let usage = run(&["--help"]);
    let rows = usage.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let synopses = rows.flat_map(|row| row.split_once("  ").unwrap().0.split(", "));
    let of_one = |synopsis: &str| match synopsis.split_once(' ') {
        Some((noun @ ("user" | "group" | "account"), verbs)) => {
            verbs.split('|').map(|verb| format!("{noun} {verb}")).collect()
        }
        Some((name, _)) => vec![name.to_string()],
        None => vec![synopsis.to_string()],
    };
    synopses.flat_map(of_one).collect()
}

/// The options that the help of a command has.
fn options_of(command: &str) -> Vec<String> {
    let (name, verb) = command.split_once(' ').unwrap_or((command, ""));
    let help = run(&[name, "--help"]);
    // Of several commands in one help, the lines of this one.
    let own =
        |line: &&str| verb.is_empty() || line.starts_with(&format!("  {name} {verb}")) || line.starts_with("  --");
    let words = help.lines().filter(own).flat_map(|line| line.split([' ', '[', ']', '|', ',', '=']));
    let is_option = |word: &&str| word.starts_with("--") && word.len() > 2;
    words.filter(is_option).map(String::from).collect()
}

#[test]
fn the_example_file_has_every_option() {
    holds("conf/django-ftpd.conf", &help::example_file());
}

#[test]
fn the_readme_has_every_option() {
    holds_between("checked by a test -->\n", "<!-- end of options -->", &help::markdown_table());
}

#[test]
fn the_readme_has_every_key_of_sections() {
    holds_between("checked by a test, too -->\n", "<!-- end of keys -->", &help::sections_table());
}

#[test]
fn the_readme_has_every_key_of_programs() {
    holds_between("keys of exec -->\n", "<!-- end of exec -->", &help::exec_table());
    holds_between("keys of gate -->\n", "<!-- end of gate -->", &help::gate_table());
    holds_between("keys of webhook -->\n", "<!-- end of webhook -->", &help::webhook_table());
}

#[test]
fn the_readme_has_every_key_of_stores() {
    holds_between("keys of s3 -->\n", "<!-- end of s3 -->", &help::s3_table());
    holds_between("keys of gcs -->\n", "<!-- end of gcs -->", &help::gcs_table());
}

#[test]
fn the_manual_pages_have_every_option_and_key() {
    page_holds("man/django-ftpd.8", "options", &manual::flags());
    let page = "man/django-ftpd.conf.5";
    page_holds(page, "keys", &manual::keys());
    page_holds(page, "sections", &manual::section_keys());
    page_holds(page, "exec", &manual::exec_keys());
    page_holds(page, "gate", &manual::gate_keys());
    page_holds(page, "webhook", &manual::webhook_keys());
    page_holds(page, "s3", &manual::s3_keys());
    page_holds(page, "gcs", &manual::gcs_keys());
}

#[test]
fn the_examples_of_the_manual_pages_are_read() {
    let pages = ["man/django-ftpd.8", "man/django-ftpd.conf.5"].map(|name| document(name).1);
    let blocks = pages.iter().flat_map(|page| page.split("\n.Bd -literal -offset indent\n").skip(1));
    let blocks = blocks.filter_map(|block| block.split("\n.Ed").next());
    let files: Vec<&str> = blocks.filter(|block| block.lines().any(|line| line.contains(" = \""))).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for (number, text) in files.iter().enumerate() {
        let file = std::env::temp_dir().join(format!("django-ftpd-manual-{}-{number}.conf", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"));
        let output = check.args(["check", "--json", "--config"]).arg(&file).output().unwrap();
        std::fs::remove_file(&file).unwrap();
        // There are no such files here, but every word of it is understood.
        assert_eq!(output.status.code(), Some(1), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_manual_page_has_every_command_and_its_options() {
    let (_, page) = document("man/django-ftpd.8");
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        let name = command.split(' ').next().unwrap();
        let section = page.split("\n.Ss ").find(|section| section.lines().next() == Some(name));
        let section = section.unwrap_or_else(|| panic!("no section about {name}"));
        assert!(
            section.contains(&format!(".It Ic {command}")) || section.contains(&format!(".Ic {command}")),
            "{command}"
        );
        // Those of the server are in a section of their own, and where things are is said once for several commands.
        let is_common = |option: &str| ["--help", "--control", "--config", "--database"].contains(&option);
        for option in options_of(&command) {
            let of_server = ["serve", "check", "demo"].contains(&name);
            let section = if of_server || is_common(&option) { &page } else { section };
            assert!(section.contains(&format!("Fl {}", &option[1..])), "{command} {option}");
        }
    }
}

#[test]
fn the_completions_are_those_that_the_program_prints_and_have_every_option() {
    for (shell, file) in [("bash", "django-ftpd.bash"), ("zsh", "_django-ftpd"), ("fish", "django-ftpd.fish")] {
        let script = run(&["completions", shell]);
        holds(&format!("conf/completions/{file}"), &script);
        for command in commands().iter().filter(|command| *command != "completions") {
            let start = match shell {
                "bash" => format!(" {})\n", command.rsplit(' ').next().unwrap()),
                "zsh" => format!("\n_django-ftpd-{}() {{\n", command.replace(' ', "-")),
                _ => format!("__django_ftpd_at {command}'"),
            };
            let parts: Vec<&str> = script.split(&start).skip(1).collect();
            assert!(!parts.is_empty(), "{shell} {command}");
            for option in options_of(command) {
                let written = if shell == "fish" { format!("-l {}", &option[2..]) } else { option.clone() };
                assert!(parts.iter().any(|part| part.contains(&written)), "{shell} {command} {option}");
            }
        }
    }
}

#[test]
fn the_readme_names_every_event() {
    let (_, text) = document("README.md");
    let (_, source) = document("src/events/event.rs");
    let names: Vec<&str> = source.split('"').filter(|word| word.starts_with("ftp_")).collect();
    assert_eq!(names.len(), 15);
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{name}");
        assert!(Kind::named(name).is_some_and(|kind| kind.name() == name), "{name}");
    }
}

#[test]
fn every_configuration_in_the_readme_can_be_read() {
    let (_, text) = document("README.md");
    let directory = std::env::temp_dir().join(format!("django-ftpd-documents-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let examples: Vec<&str> = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 8, "{}", examples.len());
    for (number, example) in examples.iter().enumerate() {
        let file = directory.join(format!("{number}.conf"));
        std::fs::write(&file, example).unwrap();
        let args = ["--config".into(), file.into_os_string()];
        let result = django_ftpd::config::Config::load(args.into_iter(), std::iter::empty());
        assert!(result.is_ok(), "{result:?} in\n{example}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_tables_of_proofs_name_tests_that_exist() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = std::fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path());
    let rust = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let all: String = rust.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let source = |module: Option<&str>| match module {
        Some(module) => std::fs::read_to_string(tests.join(format!("{module}.rs"))).unwrap_or_default(),
        None => all.clone(),
    };
    for (name, least) in [("SECURITY.md", 25), ("tests/SECURITY.md", 100), ("tests/PROTOCOL.md", 120), ("RFC.md", 40)] {
        let (_, text) = document(name);
        let proofs = text.lines().filter_map(|line| line.strip_suffix('|')?.rsplit_once('|')).map(|(_, proofs)| proofs);
        let quoted = proofs.flat_map(|proofs| proofs.split('`').skip(1).step_by(2));
        let named = quoted.filter(|quoted| quoted.contains('_') && !quoted.contains(['.', '/']));
        let named: Vec<&str> = named.collect();
        assert!(named.len() >= least, "{name}: {named:?}");
        for test in named {
            let (module, test) = test.split_once("::").map_or((None, test), |(module, test)| (Some(module), test));
            assert!(source(module).contains(&format!("fn {test}(")), "{name}: {module:?}: {test}");
        }
    }
}

#[test]
fn every_option_is_tested_from_outside() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut source = std::fs::read_to_string(tests.join("support/server.rs")).unwrap();
    for entry in std::fs::read_dir(tests).unwrap() {
        source += &std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
    }
    for option in django_ftpd::config::options::OPTIONS.iter().filter(|option| !option.is_positional()) {
        let no = option.negated_flag().unwrap_or_default();
        let flags = [format!("\"{}\"", option.flag()), format!("\"{no}\"")];
        assert!(flags.iter().any(|flag| source.contains(flag)), "no test gives {}", option.flag());
    }
}
