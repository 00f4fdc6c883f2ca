//! Gates: programs that see each upload when it is whole, and decide whether it gets its name.

use crate::net::wait::For;
use crate::programs::{Answer, Input, Program, Running, remark};
use crate::protocol::path::VirtualPath;
use crate::session::data::transfer::{Cut, Wire};
use crate::storage::{Footprint, Upload};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

/// What may stand in braces in arguments; all but the first are in the environment, too.
pub const PLACEHOLDERS: &[&str] = &["path", "virtual_path", "target", "username", "remote_ip", "bytes"];

/// A name under which a program finds what it has as its standard input.
const STANDARD_INPUT: &[u8] = b"/dev/stdin";

/// A program that decides about uploads.
#[derive(Debug, Clone)]
pub struct Gate {
    /// What it is called in the log and in events.
    pub name: String,
    /// It ends with 0 to let an upload pass.
    pub program: Program,
    /// What it has for that.
    pub patience: Duration,
    /// What is done if it does not decide.
    pub on_error: OnError,
}

/// What is done with uploads about which a gate can't decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// They are refused.
    #[default]
    Refuse,
    /// They pass.
    Accept,
}

/// What a gate says.
enum Verdict {
    Pass,
    /// And what the client is told.
    Refuse(Option<String>),
    /// It does not decide, and why.
    None(String),
}

/// Whether gates could decide about it: its name is not its own yet.
pub(super) fn can_be_examined(upload: &dyn Upload) -> bool {
    upload.footprint().is_ok_and(|footprint| matches!(footprint, Footprint::Apart { .. }))
}

/// Asks all gates in their order. Meanwhile the client is heard, and its ABOR ends it, as does the server's end.
pub(super) fn pass_all(
    wire: &mut Wire<'_, '_>,
    upload: &dyn Upload,
    path: &VirtualPath,
    target: &[u8],
) -> Result<(), Cut> {
    let services = wire.talk.services;
    for gate in &services.settings.gates {
        let verdict = match begin(gate, wire, upload, path, target) {
            Ok(running) => decide(gate, wire, running)?,
            Err(why) => Verdict::None(why),
        };
        match verdict {
            Verdict::Pass => {}
            Verdict::Refuse(remark) => return Err(Cut::Refused { gate: gate.name.clone(), remark }),
            Verdict::None(why) => {
                let (name, session) = (&gate.name, wire.talk.tag.id);
                match gate.on_error {
                    OnError::Accept => {
                        log::error!("gate {name}: {why}; the upload of session {session} is accepted unexamined");
                    }
                    OnError::Refuse => {
                        log::error!("gate {name}: {why}; the upload of session {session} is refused");
                        return Err(Cut::Unexamined(format!("gate {name}: {why}")));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Starts it with the file as its standard input: that can be read whoever it runs as, and has no name yet.
fn begin(
    gate: &Gate,
    wire: &Wire<'_, '_>,
    upload: &dyn Upload,
    path: &VirtualPath,
    target: &[u8],
) -> Result<Running, String> {
    let file: File = match upload.for_examination() {
        Ok(Some(file)) => file,
        Ok(None) => return Err("this storage has no file to examine".to_string()),
        Err(error) => return Err(error.to_string()),
    };
    let bytes = file.metadata().map_err(|error| error.to_string())?.len();
    let tag = &wire.talk.tag;
    let value = |name: &str| match name {
        "path" => STANDARD_INPUT.to_vec(),
        "virtual_path" => path.as_bytes().to_vec(),
        "target" => target.to_vec(),
        "username" => tag.username.as_deref().unwrap_or_default().to_vec(),
        "remote_ip" => tag.remote.ip().to_canonical().to_string().into_bytes(),
        _ => bytes.to_string().into_bytes(),
    };
    let variable = |name: &&str| (format!("FTP_{}", name.to_ascii_uppercase()), OsString::from_vec(value(name)));
    let environment = PLACEHOLDERS.iter().skip(1).map(variable).collect();
    let started = gate.program.start(value, environment, Input::File(file));
    started.map_err(|error| format!("{}: {error}", gate.program.path().display()))
}

fn decide(gate: &Gate, wire: &mut Wire<'_, '_>, mut running: Running) -> Result<Verdict, Cut> {
    let until = Instant::now() + gate.patience;
    loop {
        match running.advance() {
            Err(error) => return Ok(Verdict::None(error.to_string())),
            Ok(Some(answer)) => return Ok(verdict(&answer)),
            // One that floods is ready for ever.
            Ok(None) if until <= Instant::now() => break,
            Ok(None) => {}
        }
        match wire.ready(running.as_fd(), For::Reading, Some(until)) {
            Err(Cut::Stalled) => break,
            result => result?,
        }
    }
    Ok(Verdict::None(format!("it did not decide within {} seconds", gate.patience.as_secs_f64())))
}

fn verdict(answer: &Answer) -> Verdict {
    match answer.status.code() {
        Some(0) => Verdict::Pass,
        Some(_) => Verdict::Refuse(remark(&answer.output)),
        None => Verdict::None(answer.status.to_string()),
    }
}
