//! Programs of the administrator: started without a shell, each in a process group of its own, heard without waiting
//! for it, and killed with all it has started when nobody waits for it any more.

pub mod helper;
mod process;
mod recipe;
mod running;
mod template;

pub use helper::Helper;
pub use running::{Answer, Running};
pub use template::Template;

use crate::protocol::shown::Shown;
use process::{Ends, Process};
use recipe::{Recipe, RunAs};
use running::Pipes;
use rustix::fs::Access;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

/// Of what a program says, people are shown so much.
const LONGEST_REMARK: usize = 200;

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct Program {
    recipe: Recipe,
    starter: Starter,
}

/// Who starts a program.
#[derive(Debug, Clone)]
enum Starter {
    /// This process.
    Here,
    /// A helper, which knows it by this number.
    Helper(Helper, u32),
}

/// Whoever starts them.
impl PartialEq for Program {
    fn eq(&self, other: &Program) -> bool {
        self.recipe == other.recipe
    }
}

impl Eq for Program {}

/// What a program reads from its standard input.
#[derive(Debug)]
pub enum Input {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file from where it stands.
    File(File),
}

impl Program {
    /// A program by its absolute path, and arguments in which these placeholders may stand.
    pub fn parse(words: &[String], placeholders: &'static [&'static str]) -> Result<Program, String> {
        let template = |word: &String| Template::parse(word, placeholders);
        Program::new(words, |arguments| arguments.iter().map(template).collect())
    }

    /// The same, with arguments that are taken as they are.
    pub fn literal(words: &[String]) -> Result<Program, String> {
        Program::new(words, |arguments| Ok(arguments.iter().map(|word| Template::literal(word)).collect()))
    }

    fn new(
        words: &[String],
        arguments: impl FnOnce(&[String]) -> Result<Vec<Template>, String>,
    ) -> Result<Program, String> {
        let Some((path, rest)) = words.split_first() else { return Err("no program is named".to_string()) };
        if words.iter().any(|word| word.contains('\0')) {
            return Err("a NUL is not allowed".to_string());
        }
        match Path::new(path).is_absolute() {
            true => {
                let recipe = Recipe { path: path.into(), arguments: arguments(rest)?, user: None };
                Ok(Program { recipe, starter: Starter::Here })
            }
            false => Err(format!("{path}: a program is named by its absolute path")),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.recipe.path
    }

    /// Has it run as another user, in these groups beside that user's own, which only root can.
    pub fn run_as(mut self, uid: u32, gid: u32, groups: &[u32]) -> Program {
        self.recipe.user = Some(RunAs { uid, gid, groups: groups.to_vec() });
        self.starter = Starter::Here; // a helper knows the other one
        self
    }

    /// Whether it is there and can be run; else why not.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", self.path().display());
        rustix::fs::access(self.path(), Access::EXEC_OK).map_err(|errno| wrong(&errno))?;
        if self.path().is_file() { Ok(()) } else { Err(wrong(&"is no file")) }
    }

    /// Starts it, with these bytes in the place of each placeholder, and these variables beside the few of the server's
    /// environment that are no secret.
    pub fn start(
        &self,
        value: impl Fn(&str) -> Vec<u8>,
        variables: Vec<(String, OsString)>,
        input: Input,
    ) -> io::Result<Running> {
        let details = self.recipe.details(value, variables);
        let (output, output_end) = io::pipe()?;
        let (complaint, complaint_end) = io::pipe()?;
        let (input, input_end) = match input {
            Input::File(file) => (None, file.into()),
            Input::Bytes(bytes) => {
                let (end, pipe) = io::pipe()?;
                (Some((pipe, bytes)), end.into())
            }
        };
        let ends = Ends { input: input_end, output: output_end.into(), complaint: complaint_end.into() };
        let process = match &self.starter {
            Starter::Here => Process::Own(self.recipe.start(&details, ends)?),
            Starter::Helper(helper, number) => Process::Helped(helper.run(*number, &details, ends)?),
        };
        Running::new(process, Pipes { input, output, complaint })
    }
}

/// The first line of what a program has said, made harmless and short; None if it has said nothing.
pub fn remark(said: &[u8]) -> Option<String> {
    let line = said.trim_ascii_start().split(|&byte| byte == b'\n').next()?.trim_ascii_end();
    let text = Shown(line).to_string();
    (!text.is_empty()).then(|| text.chars().take(LONGEST_REMARK).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    fn shell(script: &str, input: &[u8]) -> io::Result<Option<Answer>> {
        let program = Program::literal(&words(&["/bin/sh", "-c", script])).unwrap();
        let mut running = program.start(|_| Vec::new(), Vec::new(), Input::Bytes(input.to_vec()))?;
        running.finish(Instant::now() + Duration::from_secs(20))
    }

    #[test]
    fn a_program_is_named_by_an_absolute_path() {
        assert_eq!(Program::literal(&[]), Err("no program is named".to_string()));
        assert_eq!(Program::literal(&words(&["sh"])), Err("sh: a program is named by its absolute path".to_string()));
        assert_eq!(Program::literal(&words(&["/sh", "a\0b"])), Err("a NUL is not allowed".to_string()));
        assert!(Program::literal(&words(&["/bin"])).unwrap().check().is_err());
        assert!(Program::literal(&words(&["/nowhere/x"])).unwrap().check().is_err());
        assert_eq!(Program::literal(&words(&["/bin/sh", "{"])).unwrap().check(), Ok(()));
    }

    #[test]
    fn more_than_a_pipe_holds_goes_in_and_comes_out() {
        let input: Vec<u8> = b"0123456789abcde\n".repeat(20_000);
        let answer = shell("cat; cat /dev/null >&2", &input).unwrap().unwrap();
        assert!(answer.status.success() && answer.is_cut);
        assert_eq!(answer.output, &input[..64 << 10]);
    }

    #[test]
    fn only_root_has_it_run_as_somebody_else_in_all_their_groups() {
        let script = words(&["/bin/sh", "-c", "id -u; id -g; id -G"]);
        let program = Program::literal(&script).unwrap().run_as(65533, 65534, &[65531, 65532]);
        let started = program.start(|_| Vec::new(), Vec::new(), Input::Bytes(Vec::new()));
        if !rustix::process::geteuid().is_root() {
            assert_eq!(started.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            return;
        }
        let answer = started.unwrap().finish(Instant::now() + Duration::from_secs(20)).unwrap().unwrap();
        assert_eq!(String::from_utf8(answer.output).unwrap(), "65533\n65534\n65534 65531 65532\n");
        assert!(rustix::process::geteuid().is_root(), "only the thread that started it became somebody else");
    }

    #[test]
    fn remarks_are_one_short_harmless_line() {
        assert_eq!(remark(b"\n a\x1b[31m\xff  \nb").as_deref(), Some("a\\x1b[31m\\xff"));
        assert_eq!((remark(b""), remark(b" \n ")), (None, None));
        assert_eq!(remark(&[b'x'; 999]).map(|text| text.len()), Some(200));
    }
}
