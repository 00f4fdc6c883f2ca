//! For zsh, with descriptions.

use super::commands::{Choice, Command, Value, Words};

/// The whole file.
pub(super) fn script(commands: &[Command]) -> String {
    let mut text =
        "#compdef django-ftpd\n# zsh completion of django-ftpd, made by `django-ftpd completions zsh`\n".to_string();
    for command in commands {
        match command.commands.is_empty() {
            true => text += &arguments(&function(&[&command.name]), command),
            false => {
                for verb in &command.commands {
                    text += &arguments(&function(&[&command.name, &verb.name]), verb);
                }
                text += &choosing(&function(&[&command.name]), &command.commands, &[&command.name]);
            }
        }
    }
    text += &choosing(&function(&[]), commands, &[]);
    // The first time it is loaded by name, its body is run; later it is called.
    text + "\nif [[ $funcstack[1] == _django-ftpd ]]; then\n    _django-ftpd \"$@\"\nelse\n    compdef _django-ftpd django-ftpd\nfi\n"
}

fn function(words: &[&str]) -> String {
    ["_django-ftpd"].iter().chain(words).copied().collect::<Vec<_>>().join("-")
}

/// A function that completes the name of a command, and hands what follows to the function of that.
fn choosing(function_name: &str, commands: &[Command], before: &[&str]) -> String {
    let mut text = format!(
        "\n{function_name}() {{\n    local curcontext=$curcontext state line\n    _arguments -C '1: :->command' '*:: \
         :->arguments'\n    case $state in\n    command)\n        local -a commands=(\n"
    );
    for command in commands {
        text += &format!("            {}\n", quoted(&format!("{}:{}", command.name, command.doc.replace(':', "\\:"))));
    }
    text += "        )\n        _describe command commands\n        ;;\n    arguments)\n        case $line[1] in\n";
    for command in commands {
        let called = function(&[before, &[&command.name]].concat());
        text += &format!("        {}) {called} ;;\n", command.name);
    }
    text + "        esac\n        ;;\n    esac\n}\n"
}

fn arguments(function_name: &str, command: &Command) -> String {
    let mut specs: Vec<String> = command.options.iter().flat_map(choice).collect();
    match command.words {
        Words::None => {}
        Words::Of(words) => specs.push(format!("1: :({})", words.join(" "))),
        Words::Unknown => specs.push("*: :".to_string()),
    }
    let specs: String = specs.iter().map(|spec| format!(" \\\n        {}", quoted(spec))).collect();
    format!("\n{function_name}() {{\n    _arguments{specs}\n}}\n")
}

/// `(--a --no-a)--a[what it does]`, `--file=[what it does]:FILE:_files`
fn choice(choice: &Choice) -> Vec<String> {
    let others = if choice.flags.len() > 1 { format!("({})", choice.flags.join(" ")) } else { String::new() };
    let escaped = choice.doc.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
    let doc = if escaped.is_empty() { String::new() } else { format!("[{escaped}]") };
    let spec = |flag: &String| match &choice.value {
        Some(value) => format!("{others}{flag}={doc}:{}", action(value)),
        None => format!("{others}{flag}{doc}"),
    };
    choice.flags.iter().map(spec).collect()
}

fn action(value: &Value) -> String {
    match value {
        Value::File => "file:_files".to_string(),
        Value::Directory => "directory:_files -/".to_string(),
        Value::User => "user:_users".to_string(),
        Value::Of(words) => format!(" :({})", words.join(" ")),
        Value::Text(placeholder) => format!("{}: ", placeholder.replace(':', "\\:")),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
