//! Accounts of whatever kind: a program decides. For each login it is started, gets one line of JSON, and answers with
//! one object.

use super::rules::Rules;
use super::{Account, Accounts, Attempt, Denial, Permissions, Proof, Refusal};
use crate::protocol::json::Object;
use crate::protocol::path::VirtualPath;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde_json::{Map, Value};
use std::io::{self, ErrorKind, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The longest answer, and the longest complaint.
const LONGEST: usize = 64 << 10;

/// A program that decides logins.
#[derive(Debug)]
pub struct AccountsCommand {
    program: String,
    arguments: Vec<String>,
    patience: Duration,
    user: Option<(u32, u32)>,
    rules: Rules,
}

impl AccountsCommand {
    /// This program with these arguments, which has so long for an answer.
    pub fn new(words: &[String], patience: Duration) -> Result<AccountsCommand, String> {
        let Some((program, arguments)) = words.split_first() else { return Err("no program is named".to_string()) };
        let path = Path::new(program);
        if !path.is_absolute() {
            return Err(format!("{program}: a program is named by its absolute path"));
        }
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).map_err(|errno| format!("{program}: {errno}"))?;
        Ok(AccountsCommand {
            program: program.clone(),
            arguments: arguments.to_vec(),
            patience,
            user: None,
            rules: Rules::default(),
        })
    }

    /// Has it run as another user, which only root can.
    pub fn run_as(mut self, uid: u32, gid: u32) -> AccountsCommand {
        self.user = Some((uid, gid));
        self
    }

    /// What the administrator says of users and groups, whatever the program does.
    pub fn rules(mut self, rules: Rules) -> AccountsCommand {
        self.rules = rules;
        self
    }

    fn ask(&self, question: &[u8]) -> Result<Vec<u8>, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).current_dir("/");
        // What else the server was started with is not its business: there may be secrets.
        let environment = ["PATH", "LANG", "LC_ALL", "TZ"].map(|name| (name, std::env::var_os(name)));
        command.env_clear().envs(environment.into_iter().filter_map(|(name, value)| Some((name, value?))));
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let answered = converse(&mut child, question, Instant::now() + self.patience);
        if answered.is_err() {
            stop(&mut child);
        }
        let Conversation { answer, complaint, status } = answered.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => format!("no answer within {} seconds", self.patience.as_secs_f64()),
            _ => error.to_string(),
        })?;
        match status.success() {
            true => Ok(answer),
            false => {
                let complaint = String::from_utf8_lossy(&complaint);
                Err(format!("{status}: {}", complaint.lines().next().unwrap_or("no word of why")))
            }
        }
    }
}

impl Accounts for AccountsCommand {
    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
        let mut question = Object::default();
        question.text("username", attempt.username.as_bytes());
        match attempt.proof {
            Proof::Password(password) => question.text("password", password),
            Proof::Certificate => question.truth("certificate", true),
        }
        question.text("remote_ip", attempt.remote.to_string().as_bytes());
        let failed = |why: String| Refusal::Unavailable(format!("accounts_command {}: {why}", self.program));
        let answer = self.ask(&question.finish()).map_err(failed)?;
        match read(&answer, attempt.username).map_err(failed)? {
            Ok(account) => self.rules.apply(account, attempt.remote).map_err(Refusal::Denied),
            Err(why) => Err(Refusal::Denied(Denial::Other(why))),
        }
    }
}

struct Conversation {
    answer: Vec<u8>,
    complaint: Vec<u8>,
    status: ExitStatus,
}

/// Writes the question, and reads until the program has ended.
fn converse(child: &mut Child, question: &[u8], until: Instant) -> io::Result<Conversation> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let (Some(mut input), Some(mut output), Some(mut errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(ErrorKind::BrokenPipe.into());
    };
    rustix::io::ioctl_fionbio(&input, true)?;
    rustix::io::ioctl_fionbio(&output, true)?;
    rustix::io::ioctl_fionbio(&errors, true)?;
    // A pipe has room for it. A program that does not want to hear it all may still know the answer.
    match input.write_all(question) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
        _ => drop(input),
    }
    let (mut answer, mut complaint) = (Vec::new(), Vec::new());
    loop {
        let is_open = (take(&mut output, &mut answer)?, take(&mut errors, &mut complaint)?);
        // The end of a pipe is ready for ever; then only that of the program is waited for.
        let mut waiting = vec![PollFd::new(&process, PollFlags::IN)];
        if is_open.0 {
            waiting.push(PollFd::new(&output, PollFlags::IN));
        }
        if is_open.1 {
            waiting.push(PollFd::new(&errors, PollFlags::IN));
        }
        let left = until.checked_duration_since(Instant::now()).ok_or(ErrorKind::TimedOut)?;
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut waiting, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result?,
        };
        if waiting.first().is_some_and(|process| !process.revents().is_empty()) {
            take(&mut output, &mut answer)?;
            take(&mut errors, &mut complaint)?;
            return Ok(Conversation { answer, complaint, status: child.wait()? });
        }
    }
}

/// Reads what is there; false at the end.
fn take(pipe: &mut impl Read, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; 4096];
    loop {
        match pipe.read(&mut piece) {
            Ok(0) => return Ok(false),
            Ok(length) if into.len() + length > LONGEST => {
                return Err(io::Error::other("it says more than can be an answer"));
            }
            Ok(length) => into.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Ends it and what it has started.
fn stop(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL); // it may have ended
    let _ = child.wait();
}

/// The account of an answer, or why there is none.
fn read(answer: &[u8], username: &str) -> Result<Result<Account, String>, String> {
    let value: Value = serde_json::from_slice(answer).map_err(|error| format!("its answer is no JSON: {error}"))?;
    let Value::Object(mut fields) = value else { return Err("its answer is no JSON object".to_string()) };
    if let Some(why) = fields.remove("denied") {
        let why = why.as_str().ok_or("denied: is no text")?;
        return Ok(Err(format!("accounts_command: {why}")));
    }
    let mut account =
        Account::new(username, take_text(&mut fields, "home")?.ok_or("its answer has neither home nor denied")?);
    if !account.home.is_absolute() {
        return Err("home: is no absolute path".to_string());
    }
    account.permissions = match take_text(&mut fields, "permission")? {
        Some(letters) => Permissions::from_letters(&letters),
        None => Permissions::from_letters("elr"),
    };
    if let Some(id) = take_text(&mut fields, "id")? {
        account.id = id;
    }
    account.groups = take_texts(&mut fields, "groups")?;
    let limits = &mut account.limits;
    limits.quota = take_number(&mut fields, "quota")?;
    limits.download_rate = take_above_zero(&mut fields, "download_rate")?;
    limits.upload_rate = take_above_zero(&mut fields, "upload_rate")?;
    let most: Option<NonZeroU64> = take_above_zero(&mut fields, "max_sessions")?;
    limits.max_sessions = most.and_then(|most| most.try_into().ok());
    let read_only = take_texts(&mut fields, "read_only")?;
    limits.read_only = read_only.iter().map(|path| VirtualPath::root().join(path.as_bytes())).collect();
    let expires = take_text(&mut fields, "expires")?.map(|text| text.parse()).transpose();
    limits.expires = expires.map_err(|_| "expires: is no moment such as 2030-12-31T12:00:00Z")?;
    match fields.keys().next() {
        Some(key) => Err(format!("{key}: nothing of that name can be answered")),
        None => Ok(Ok(account)),
    }
}

fn take_text(fields: &mut Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match fields.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && !text.contains('\0') => Ok(Some(text)),
        Some(_) => Err(format!("{key}: is no text")),
    }
}

fn take_texts(fields: &mut Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    match fields.remove(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let texts = items.into_iter().map(|item| item.as_str().map(String::from)).collect::<Option<_>>();
            texts.ok_or_else(|| format!("{key}: is no list of texts"))
        }
        Some(_) => Err(format!("{key}: is no list of texts")),
    }
}

fn take_above_zero<T: TryFrom<u64>>(fields: &mut Map<String, Value>, key: &str) -> Result<Option<T>, String> {
    let number = take_number(fields, key)?;
    number.map(|number| number.try_into().map_err(|_| format!("{key}: is no number above 0"))).transpose()
}

fn take_number(fields: &mut Map<String, Value>, key: &str) -> Result<Option<u64>, String> {
    match fields.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("{key}: is no whole number")),
    }
}
