//! From the tables of programs in the file to what runs them, each with the one line that says why it can't be run.

use super::Failure;
use super::followers::Planned;
use crate::config::{Config, ExecTable, GateTable};
use crate::events::Tide;
use crate::events::followers::Exec;
use crate::process::{itself, limits, signals, users};
use crate::programs::{Helper, Program, helper};
use crate::session::Gate;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// The command that is the helper; people have no use for it.
pub(super) const HELPER: &str = "run-programs";
/// Programs that run for events get so long when the server has stopped; less than followers, who have to save that.
const GRACE: Duration = Duration::from_secs(4);

/// The programs of a configuration, ready to be run.
#[derive(Default)]
pub(super) struct Programs {
    /// What decides about logins.
    pub(super) accounts: Option<Program>,
    /// What runs for events: each with the name of its table.
    execs: Vec<(String, Program)>,
    /// What decides about uploads, in its order.
    gates: Vec<(String, Program)>,
}

impl Programs {
    /// Finds them, and starts the helper that runs them, if there are any.
    pub(super) fn prepare(config: &Config) -> Result<Programs, String> {
        let sections = &config.sections;
        let mut programs = Programs {
            accounts: of_accounts(config)?,
            execs: sections.execs.iter().map(|table| of_exec(config, table)).collect::<Result<_, _>>()?,
            gates: sections.gates.iter().map(|table| of_gate(config, table)).collect::<Result<_, _>>()?,
        };
        let all: Vec<Program> = programs.all().map(|program| program.clone()).collect();
        if all.is_empty() {
            return Ok(programs);
        }
        let helper = Helper::start(helper_command(), all)
            .map_err(|error| format!("the process that starts programs can't be started: {error}"))?;
        programs.all().for_each(|program| *program = helper.takes(program));
        Ok(programs)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Program> {
        let named = self.execs.iter_mut().chain(&mut self.gates).map(|(_, program)| program);
        self.accounts.iter_mut().chain(named)
    }

    /// A follower for each `[[exec]]`.
    pub(super) fn execs(&self, config: &Config, tide: &Tide) -> Vec<Planned> {
        let tables = config.sections.execs.iter().zip(&self.execs);
        tables.map(|(table, (name, program))| exec(table, name, program, tide)).collect()
    }

    /// What decides about uploads, in its order.
    pub(super) fn gates(&self, config: &Config) -> Result<Vec<Gate>, String> {
        let tables = config.sections.gates.iter().zip(&self.gates);
        tables.map(|(table, (name, program))| gate(config, table, name, program)).collect()
    }
}

/// This program once more, as the helper.
fn helper_command() -> Command {
    let mut command = itself::anew();
    command.arg0(env!("CARGO_PKG_NAME")).arg(HELPER);
    command
}

/// Is the helper, until the server has gone.
pub(super) fn help() -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Runtime(format!("{HELPER} is what a server starts by itself: {error}"));
    signals::leave_to_the_server().map_err(failed)?;
    // In a list of processes it is not to be taken for the server.
    rustix::thread::set_name(c"ftpd-programs").map_err(|errno| failed(errno.into()))?;
    limits::raise_open_files();
    helper::work(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?).map_err(failed)
}

/// What `check` says of each program.
pub(super) fn findings(config: &Config) -> Vec<(&'static str, Result<String, String>)> {
    let tide = Tide::default();
    let shown = |program: &Program| program.path().display().to_string();
    let execs = config.sections.execs.iter().map(|table| {
        let made = of_exec(config, table).and_then(|(name, program)| match config.journal {
            Some(_) => Ok(program),
            None => Err(exec(table, &name, &program, &tide).without_journal()),
        });
        ("exec", made.map(|program| shown(&program)))
    });
    let gates = config.sections.gates.iter().map(|table| {
        let made = of_gate(config, table).and_then(|(name, program)| gate(config, table, &name, &program));
        ("gate", made.map(|gate| shown(&gate.program)))
    });
    execs.chain(gates).collect()
}

fn exec(table: &ExecTable, name: &str, program: &Program, tide: &Tide) -> Planned {
    let follower = Exec::new(program.clone(), table.events.clone(), table.timeout)
        .parallel(table.parallel.get())
        .until_end_of(tide.clone(), GRACE);
    let tries = u32::try_from(table.tries.get()).unwrap_or(u32::MAX);
    Planned { name: format!("exec-{name}"), tries, follower: Box::new(follower) }
}

fn gate(config: &Config, table: &GateTable, name: &str, program: &Program) -> Result<Gate, String> {
    let (name, program) = (name.to_string(), program.clone());
    match config.atomic_uploads {
        true => Ok(Gate { name, program, patience: table.timeout, on_error: table.on_error }),
        false => Err(format!(
            "gate {name}: it decides before an upload gets its name, which with atomic_uploads = false it has from \
             the beginning; leave one of them out"
        )),
    }
}

/// What decides about logins.
pub(super) fn of_accounts(config: &Config) -> Result<Option<Program>, String> {
    let Some(words) = &config.accounts_command else { return Ok(None) };
    let program = Program::literal(words).and_then(|program| {
        program.check()?;
        Ok(program)
    });
    let program = program.map_err(|why| format!("accounts_command: {why}"))?;
    let user = config.accounts_command_user.as_deref();
    let found = runs_as(config, program, user).map_err(|why| format!("accounts_command_user: {why}"))?;
    Ok(Some(found))
}

fn of_exec(config: &Config, table: &ExecTable) -> Result<(String, Program), String> {
    runnable(config, "exec", &table.name, &table.program, table.user.as_deref())
}

fn of_gate(config: &Config, table: &GateTable) -> Result<(String, Program), String> {
    runnable(config, "gate", &table.name, &table.program, table.user.as_deref())
}

fn runnable(
    config: &Config,
    kind: &str,
    name: &Option<String>,
    program: &Option<Program>,
    user: Option<&str>,
) -> Result<(String, Program), String> {
    let (Some(name), Some(program)) = (name, program) else {
        return Err(format!("{kind}: it has to have a name and a command"));
    };
    let wrong = |key: &str, why: String| format!("{kind} {name}: {key}: {why}");
    program.check().map_err(|why| wrong("command", why))?;
    let program = runs_as(config, program.clone(), user).map_err(|why| wrong("user", why))?;
    Ok((name.clone(), program))
}

/// As this user, or else as whom the server becomes.
fn runs_as(config: &Config, program: Program, user: Option<&str>) -> Result<Program, String> {
    let become_by_itself = || config.file_access_user.as_deref().filter(|_| rustix::process::geteuid().is_root());
    let Some(name) = user.or_else(become_by_itself) else { return Ok(program) };
    let person = users::person(name)?;
    match users::may_become(person.user) {
        true => Ok(program.run_as(person.user.uid, person.user.gid, &person.groups)),
        false => Err(format!("only root can have it run as {name}")),
    }
}
