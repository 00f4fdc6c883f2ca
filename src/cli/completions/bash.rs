//! For bash, which shows no descriptions.

use super::commands::{Command, Value, Words};
use std::collections::BTreeMap;

const START: &str = "\
# bash completion of django-ftpd, made by `django-ftpd completions bash`
_django_ftpd() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=''
    # --option=value comes in three words.
    if [[ $current == = ]]; then
        current=''
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    fi
    COMPREPLY=()
    case $previous in
";

const MIDDLE: &str = "    esac
    case ${COMP_WORDS[1]} in
";

const END: &str = "    esac
    if ((COMP_CWORD == 1)); then
        words='@commands@'
    fi
    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")
}
complete -F _django_ftpd django-ftpd
";

/// The whole file.
pub(super) fn script(commands: &[Command]) -> String {
    let names: Vec<&str> = commands.iter().map(|command| command.name.as_str()).collect();
    let mut text = START.to_string();
    for (action, flags) in values(commands) {
        text += &format!("    {})\n        {action}\n        return\n        ;;\n", flags.join("|"));
    }
    text += MIDDLE;
    for command in commands {
        text += &format!("    {})\n", command.name);
        text += &match command.commands.is_empty() {
            true => words(command, "        "),
            false => of_commands(&command.commands),
        };
        text += "        ;;\n";
    }
    text + &END.replace("@commands@", &names.join(" "))
}

fn of_commands(commands: &[Command]) -> String {
    let names: Vec<&str> = commands.iter().map(|command| command.name.as_str()).collect();
    let mut text = "        case ${COMP_WORDS[2]} in\n".to_string();
    for command in commands {
        text += &format!("        {})\n{}            ;;\n", command.name, words(command, "            "));
    }
    text += "        esac\n";
    text + &format!("        if ((COMP_CWORD == 2)); then\n            words='{}'\n        fi\n", names.join(" "))
}

fn words(command: &Command, indent: &str) -> String {
    let words = match command.words {
        Words::Of(words) => words,
        Words::None | Words::Unknown => &[],
    };
    let flags = command.options.iter().flat_map(|choice| choice.flags.iter().map(String::as_str));
    let all: Vec<&str> = words.iter().copied().chain(flags).collect();
    format!("{indent}words='{}'\n", all.join(" "))
}

/// What is done behind which options. One of the same name means the same everywhere.
fn values(commands: &[Command]) -> BTreeMap<String, Vec<&str>> {
    let mut actions: BTreeMap<&str, String> = BTreeMap::new();
    for choice in commands.iter().chain(commands.iter().flat_map(|command| &command.commands)).flat_map(|c| &c.options)
    {
        for (flag, value) in choice.flags.iter().zip(choice.value.iter().cycle()) {
            actions.entry(flag).or_insert_with(|| action(value));
        }
    }
    let mut values: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    actions.into_iter().for_each(|(flag, action)| values.entry(action).or_default().push(flag));
    values
}

fn action(value: &Value) -> String {
    let generate = |what: &str| format!("mapfile -t COMPREPLY < <(compgen {what} -- \"$current\")");
    let names = |what: &str| format!("compopt -o filenames 2>/dev/null\n        {}", generate(what));
    match value {
        Value::File => names("-f"),
        Value::Directory => names("-d"),
        Value::User => generate("-u"),
        Value::Of(words) => generate(&format!("-W '{}'", words.join(" "))),
        // Nothing to offer, least of all files.
        Value::Text(_) => ":".to_string(),
    }
}
