//! A new password, from the terminal without echo or as a line of standard input; never from the command line, where
//! everybody on the host could read it.

use super::Failure;
use super::arguments::Given;
use crate::accounts::schema::StoredPassword;
use crate::process::signals;
use crate::protocol::line::MAX_LINE;
use crate::protocol::shown::Shown;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Read, Write};

/// What FTP can carry.
const LONGEST: usize = MAX_LINE - "PASS ".len();

/// The hash of the password that somebody gives now, or an unusable one if they want that.
pub(super) fn new(given: &Given, username: &str) -> Result<StoredPassword, Failure> {
    if given.has("--no-password") {
        return StoredPassword::unusable().map_err(|error| failed(&error.to_string()));
    }
    let password = match given.has("--password-stdin") {
        true => line("standard input has no password")?,
        false => asked_for(username)?,
    };
    StoredPassword::hashed(password.as_bytes()).map_err(|error| failed(&error.to_string()))
}

fn asked_for(username: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(failed("there is no terminal to ask for the password; give it with --password-stdin"));
    }
    let _quiet = Quiet::start().map_err(|error| failed(&format!("the terminal can't be silenced: {error}")))?;
    let ask = |what: &str| {
        let _ = write!(io::stderr(), "{what}");
        line("no password was given")
    };
    let password = ask(&format!("Password for {}: ", Shown(username.as_bytes())))?;
    match ask("The same again: ")? == password {
        true => Ok(password),
        false => Err(failed("these were two passwords; nothing is changed")),
    }
}

/// A line of standard input that can be a password.
fn line(nothing: &str) -> Result<String, Failure> {
    let mut line = Vec::new();
    let mut input = io::stdin().lock();
    // Enough to see that it is too long, and no more.
    let mut input = Read::take(&mut input, LONGEST as u64 + 2);
    input.read_until(b'\n', &mut line).map_err(|error| failed(&format!("standard input: {error}")))?;
    password(&line, nothing).map_err(|why| failed(&why))
}

fn password(line: &[u8], nothing: &str) -> Result<String, String> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let wrong = |why: &str| Err(why.to_string());
    match str::from_utf8(line) {
        Ok("") => wrong(nothing),
        Ok(_) if line.len() > LONGEST => {
            Err(format!("the password is longer than the {LONGEST} bytes that FTP can carry"))
        }
        Ok(text) if text.contains(char::is_control) => {
            wrong("the password has a control character, which FTP can't carry")
        }
        Ok(text) => Ok(text.to_string()),
        Err(_) => wrong("the password is not UTF-8 text"),
    }
}

fn failed(why: &str) -> Failure {
    Failure::Runtime(why.to_string())
}

/// A terminal that shows nothing but line ends of what is typed, until this is dropped or a signal ends the process.
struct Quiet(Termios);

impl Quiet {
    fn start() -> io::Result<Quiet> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        // A process that is stopped would leave the terminal silent, and go on with echo.
        quiet.special_codes[SpecialCodeIndex::VSUSP] = 0;
        let at_the_end = before.clone();
        signals::before_the_end(move || restore(&at_the_end))?;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        restore(&self.0);
    }
}

fn restore(before: &Termios) {
    // It may be gone, and with it what was to be restored.
    let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_a_line_without_its_end() {
        for (line, expected) in [("a b\n", "a b"), (" ü\r\n", " ü"), ("x", "x")] {
            assert_eq!(password(line.as_bytes(), ""), Ok(expected.to_string()));
        }
        let why = |line: &[u8]| password(line, "nothing").unwrap_err();
        assert_eq!((why(b""), why(b"\n"), why(b"\r\n")), ("nothing".into(), "nothing".into(), "nothing".into()));
        assert!(why(b"a\x1Ab\n").contains("control character"));
        assert!(why(b"\xFF\n").contains("UTF-8"));
        assert!(why(&[b'x'; LONGEST + 1]).contains("longer than the 4091 bytes"));
        assert!(password(&[b'x'; LONGEST], "").is_ok());
    }
}
