//! For fish, with descriptions.

use super::commands::{Choice, Command, Value, Words};

const START: &str = "\
# fish completion of django-ftpd, made by `django-ftpd completions fish`

# Whether the command line begins with these commands; without any, whether there is none yet.
function __django_ftpd_at
    set -l words (commandline -opc)[2..]
    set -l count (count $argv)
    if test $count -eq 0
        test (count $words) -eq 0
    else
        test (count $words) -ge $count; and test \"$words[1..$count]\" = \"$argv\"
    end
end

# Whether it is just these.
function __django_ftpd_is
    set -l words (commandline -opc)[2..]
    test \"$words\" = \"$argv\"
end

complete -c django-ftpd -f
";

/// The whole file.
pub(super) fn script(commands: &[Command]) -> String {
    let mut text = START.to_string();
    for command in commands {
        text += &format!("{} -a {}{}\n", line("at", ""), command.name, description(&command.doc));
    }
    for command in commands {
        text += "\n";
        text += &of_command(&command.name, command);
        for verb in &command.commands {
            let (words, is) = (format!("{} {}", command.name, verb.name), line("is", &command.name));
            text += &format!("{is} -a {}{}\n", verb.name, description(&verb.doc));
            text += &of_command(&words, verb);
        }
    }
    text
}

fn of_command(words: &str, command: &Command) -> String {
    let mut text = String::new();
    if let Words::Of(words_after) = command.words {
        text += &format!("{} -a {}\n", line("is", words), quoted(&words_after.join(" ")));
    }
    text + &command.options.iter().flat_map(|choice| choices(words, choice)).collect::<String>()
}

fn choices(words: &str, choice: &Choice) -> Vec<String> {
    let value = choice.value.as_ref().map(action).unwrap_or_default();
    let flag = |flag: &String| match flag.strip_prefix("--") {
        Some(long) => format!(" -l {long}"),
        None => format!(" -s {}", flag.trim_start_matches('-')),
    };
    let line = |flags: &[String]| {
        let flags: String = flags.iter().map(flag).collect();
        format!("{}{flags}{value}{}\n", line("at", words), description(&choice.doc))
    };
    // A short one and its long name are one; an option and its negation are two.
    match choice.flags.iter().any(|flag| !flag.starts_with("--")) {
        true => vec![line(&choice.flags)],
        false => choice.flags.chunks(1).map(line).collect(),
    }
}

fn line(test: &str, words: &str) -> String {
    format!("complete -c django-ftpd -n {}", quoted(format!("__django_ftpd_{test} {words}").trim_end()))
}

fn action(value: &Value) -> String {
    match value {
        Value::File => " -r -F".to_string(),
        Value::Directory => " -x -a '(__fish_complete_directories)'".to_string(),
        Value::User => " -x -a '(__fish_complete_users)'".to_string(),
        Value::Of(words) => format!(" -x -a {}", quoted(&words.join(" "))),
        Value::Text(_) => " -x".to_string(),
    }
}

fn description(doc: &str) -> String {
    if doc.is_empty() { String::new() } else { format!(" -d {}", quoted(doc)) }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
