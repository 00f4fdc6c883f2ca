//! Passwords that are typed: nothing of them is shown, and the terminal is afterwards as it was.

use crate::support::{Managed, eventually};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// A terminal on which a shell runs a command, and tells afterwards its status and the terminal's settings.
struct Terminal {
    master: File,
    shown: Arc<Mutex<String>>,
    shell: std::process::Child,
}

impl Terminal {
    fn start(managed: &Managed, words: &[&str]) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let mut shell = Command::new("setsid");
        shell.args(["--ctty", "sh", "-c", "trap : INT; \"$@\"; echo \"status $?\"; stty -a; echo end", "sh"]);
        shell.arg(env!("CARGO_BIN_EXE_django-ftpd")).args(words).arg("--database").arg(&managed.database);
        shell.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        let shell_child = shell.spawn().unwrap();
        drop(shell);
        let master = File::from(master);
        let (shown, mut reader) = (Arc::new(Mutex::new(String::new())), master.try_clone().unwrap());
        let kept = shown.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(length @ 1..) = reader.read(&mut piece) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Terminal { master, shown, shell: shell_child }
    }

    #[track_caller]
    fn expect(&mut self, text: &str) -> &mut Terminal {
        eventually(text, || self.shown.lock().unwrap().contains(text));
        self
    }

    fn types(&mut self, text: &str) -> &mut Terminal {
        self.master.write_all(text.as_bytes()).unwrap();
        self
    }

    /// Everything that was shown, when the terminal has its echo again.
    #[track_caller]
    fn end(mut self, status: i32) -> String {
        self.expect(&format!("status {status}\r\n")).expect("end\r\n");
        self.shell.wait().unwrap();
        let shown = self.shown.lock().unwrap().clone();
        let settings: Vec<&str> = shown.rsplit_once("status ").unwrap().1.split([' ', ';']).collect();
        assert!(settings.iter().any(|word| word.trim() == "echo"), "{shown}");
        assert!(shown.contains("susp = ^Z"), "{shown}");
        shown
    }
}

#[test]
fn a_password_that_is_typed_is_not_shown_and_the_terminal_is_as_before() {
    let managed = Managed::with_eva();
    let hash =
        || managed.open().query_row("SELECT password FROM auth_user", [], |row| row.get::<_, String>(0)).unwrap();
    let before = hash();
    let ask = &["user", "password", "eva"];

    let mut terminal = Terminal::start(&managed, ask);
    terminal.expect("Password for eva: ").types("geheim\n").expect("The same again: ").types("another\n");
    let shown = terminal.end(1);
    assert!(shown.contains("these were two passwords; nothing is changed"), "{shown}");
    assert!(!shown.contains("geheim") && !shown.contains("another"), "{shown}");

    let mut terminal = Terminal::start(&managed, ask);
    terminal.expect("Password for eva: ").types("gehe\u{3}");
    assert!(!terminal.end(130).contains("gehe"));
    let mut terminal = Terminal::start(&managed, ask);
    terminal.expect("Password for eva: ").types("\u{4}");
    assert!(terminal.end(1).contains("no password was given"));
    let mut terminal = Terminal::start(&managed, ask);
    terminal.expect("Password for eva: ").types("a\u{1a}b\n");
    assert!(terminal.end(1).contains("control character"));
    assert_eq!(hash(), before);

    let mut terminal = Terminal::start(&managed, ask);
    // A slip, taken back.
    terminal.expect("Password for eva: ").types("gehein\u{7f}m ü\n").expect("The same again: ").types("geheim ü\n");
    let shown = terminal.end(0);
    assert!(shown.contains("the password was changed") && !shown.contains("gehei"), "{shown}");
    let (server, _) = managed.serve();
    server.home("eva");
    server.client().script(&[("USER eva", 331), ("PASS geheim ü", 230)]);
}
