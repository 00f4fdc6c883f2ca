//! CPU and memory of a process and all that come from it, out of /proc.

use std::collections::HashMap;
use std::fs;

/// Linux counts the CPU of processes that have ended in these.
const TICK: f64 = 0.01;

struct Process {
    id: u32,
    parent: u32,
    /// Ticks of its own threads.
    own: u64,
    /// Ticks of its children that have ended.
    ended: u64,
}

impl Process {
    fn found(id: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // Its name stands in parentheses, and there may be anything in it.
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let parent = u32::try_from(number(1)?).ok()?;
        Some(Self { id, parent, own: number(11)? + number(12)?, ended: number(13)? + number(14)? })
    }

    /// Its threads have nanoseconds, of which ticks would lose most where each session is a process; but those of threads that
    /// have ended are in the ticks alone.
    fn cpu(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id)).into_iter().flatten().flatten();
        let nanoseconds: u64 = threads
            .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
            .sum();
        (nanoseconds as f64 / 1e9).max(self.own as f64 * TICK) + self.ended as f64 * TICK
    }

    /// Memory that is its own, and its part of what others have, too.
    fn kibibytes(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Pss:"))?.split_whitespace().next()?.parse().ok()
    }
}

/// Seconds of processors that they have had.
pub fn cpu(root: u32) -> f64 {
    family(root).iter().map(Process::cpu).sum()
}

pub fn kibibytes(root: u32) -> f64 {
    family(root).iter().filter_map(Process::kibibytes).sum::<u64>() as f64
}

fn family(root: u32) -> Vec<Process> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children: HashMap<u32, Vec<Process>> = HashMap::new();
    for process in ids.filter_map(Process::found) {
        children.entry(process.parent).or_default().push(process);
    }
    let mut family: Vec<Process> = Process::found(root).into_iter().collect();
    let mut looked_at = 0;
    while let Some(process) = family.get(looked_at) {
        family.extend(children.remove(&process.id).unwrap_or_default());
        looked_at += 1;
    }
    family
}
