//! From the tables of programs in the file to what runs them, each with the one line that says why it can't be run.

use super::followers::Planned;
use crate::config::{Config, ExecTable, GateTable};
use crate::events::Tide;
use crate::events::followers::Exec;
use crate::process::users;
use crate::programs::Program;
use crate::session::Gate;
use std::time::Duration;

/// Programs that run for events get so long when the server has stopped; less than followers, who have to save that.
const GRACE: Duration = Duration::from_secs(4);

/// A follower for each `[[exec]]`.
pub(super) fn execs(config: &Config, tide: &Tide) -> Result<Vec<Planned>, String> {
    config.sections.execs.iter().map(|table| exec(table, tide)).collect()
}

/// What decides about uploads, in its order.
pub(super) fn gates(config: &Config) -> Result<Vec<Gate>, String> {
    config.sections.gates.iter().map(|table| gate(config, table)).collect()
}

/// What `check` says of each program.
pub(super) fn findings(config: &Config) -> Vec<(&'static str, Result<String, String>)> {
    let tide = Tide::default();
    let shown = |program: &Option<Program>| program.as_ref().map(|program| program.path().display().to_string());
    let execs = config.sections.execs.iter().map(|table| {
        let made = exec(table, &tide).and_then(|planned| match config.journal {
            Some(_) => Ok(planned),
            None => Err(planned.without_journal()),
        });
        ("exec", made.map(|_| shown(&table.program).unwrap_or_default()))
    });
    let gates = config.sections.gates.iter().map(|table| {
        let made = gate(config, table);
        ("gate", made.map(|gate| gate.program.path().display().to_string()))
    });
    execs.chain(gates).collect()
}

fn exec(table: &ExecTable, tide: &Tide) -> Result<Planned, String> {
    let (name, program) = runnable("exec", &table.name, &table.program, table.user.as_deref())?;
    let follower = Exec::new(program, table.events.clone(), table.timeout)
        .parallel(table.parallel.get())
        .until_end_of(tide.clone(), GRACE);
    let tries = u32::try_from(table.tries.get()).unwrap_or(u32::MAX);
    Ok(Planned { name: format!("exec-{name}"), tries, follower: Box::new(follower) })
}

fn gate(config: &Config, table: &GateTable) -> Result<Gate, String> {
    let (name, program) = runnable("gate", &table.name, &table.program, table.user.as_deref())?;
    match config.atomic_uploads {
        true => Ok(Gate { name, program, patience: table.timeout, on_error: table.on_error }),
        false => Err(format!(
            "gate {name}: it decides before an upload gets its name, which with atomic_uploads = false it has from \
             the beginning; leave one of them out"
        )),
    }
}

fn runnable(
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
    let Some(user) = user else { return Ok((name.clone(), program.clone())) };
    let user = users::find(user).map_err(|why| wrong("user", why))?;
    match users::may_become(user) {
        true => Ok((name.clone(), program.clone().run_as(user.uid, user.gid))),
        false => Err(wrong("user", "only root can have it run as somebody else".to_string())),
    }
}
