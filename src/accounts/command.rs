//! Accounts of whatever kind: a program decides. For each login it is started, gets one line of JSON, and answers with
//! one object.

use super::home::HomePlace;
use super::rules::Rules;
use super::{Account, Accounts, Attempt, Denial, Permissions, Proof, Refusal};
use crate::programs::{Answer, Input, Program, remark};
use crate::protocol::json::Object;
use crate::protocol::path::VirtualPath;
use serde_json::{Map, Value};
use std::io;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A program that runs looks so often whether the server ends.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// A program that decides logins.
#[derive(Debug)]
pub struct AccountsCommand {
    program: Program,
    patience: Duration,
    rules: Rules,
    /// How many of them run.
    running: AtomicUsize,
    stopping: AtomicBool,
}

impl AccountsCommand {
    /// This program with these arguments, which has so long for an answer.
    pub fn new(words: &[String], patience: Duration) -> Result<AccountsCommand, String> {
        let program = Program::literal(words)?;
        program.check()?;
        Ok(AccountsCommand::with(program, patience))
    }

    /// The same with a program that was found to be one.
    pub fn with(program: Program, patience: Duration) -> AccountsCommand {
        AccountsCommand {
            program,
            patience,
            rules: Rules::default(),
            running: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        }
    }

    /// Has it run as another user, in these groups beside that user's own, which only root can.
    pub fn run_as(mut self, uid: u32, gid: u32, groups: &[u32]) -> AccountsCommand {
        self.program = self.program.run_as(uid, gid, groups);
        self
    }

    /// What the administrator says of users and groups, whatever the program does.
    pub fn rules(mut self, rules: Rules) -> AccountsCommand {
        self.rules = rules;
        self
    }

    fn ask(&self, question: Vec<u8>) -> Result<Vec<u8>, String> {
        let until = Instant::now() + self.patience;
        self.running.fetch_add(1, Ordering::SeqCst);
        let answer = self.run(question, until);
        self.running.fetch_sub(1, Ordering::SeqCst);
        match answer.map_err(|error| error.to_string())? {
            None => Err(format!("no answer within {} seconds", self.patience.as_secs_f64())),
            Some(Answer { is_cut: true, .. }) => Err("it says more than can be an answer".to_string()),
            Some(Answer { status, output, .. }) if status.success() => Ok(output),
            Some(Answer { status, complaint, .. }) => {
                Err(format!("{status}: {}", remark(&complaint).as_deref().unwrap_or("no word of why")))
            }
        }
    }
}

impl AccountsCommand {
    /// Runs it to its end, or to that of the server: then it is killed.
    fn run(&self, question: Vec<u8>, until: Instant) -> io::Result<Option<Answer>> {
        let mut running = self.program.start(|_| Vec::new(), Vec::new(), Input::Bytes(question))?;
        loop {
            let answer = running.finish(until.min(Instant::now() + LOOK_AROUND))?;
            if answer.is_some() || Instant::now() >= until || self.stopping.load(Ordering::SeqCst) {
                return Ok(answer);
            }
        }
    }
}

impl Accounts for AccountsCommand {
    /// What the program answers is not known before.
    fn homes(&self, visit: &mut dyn FnMut(HomePlace)) -> Result<(), String> {
        self.rules.homes().for_each(visit);
        Ok(())
    }

    fn finish(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let until = Instant::now() + LOOK_AROUND * 5;
        while self.running.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            std::thread::sleep(LOOK_AROUND / 10);
        }
    }

    fn attempt(&self, attempt: &Attempt<'_>) -> Result<Account, Refusal> {
        let mut question = Object::default();
        question.text("username", attempt.username.as_bytes());
        match attempt.proof {
            Proof::Password(password) => question.text("password", password),
            Proof::Certificate => question.truth("certificate", true),
        }
        question.text("remote_ip", attempt.remote.to_string().as_bytes());
        let failed =
            |why: String| Refusal::Unavailable(format!("accounts_command {}: {why}", self.program.path().display()));
        let answer = self.ask(question.finish()).map_err(failed)?;
        match read(&answer, attempt.username).map_err(failed)? {
            Ok(mut account) => {
                self.rules.apply(&mut account, attempt.remote).map_err(Refusal::Denied)?;
                Ok(account)
            }
            Err(why) => Err(Refusal::Denied(Denial::Other(why))),
        }
    }
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
    limits.session_download_rate = take_above_zero(&mut fields, "session_download_rate")?;
    limits.session_upload_rate = take_above_zero(&mut fields, "session_upload_rate")?;
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
