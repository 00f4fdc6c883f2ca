//! The table of options.

mod accounts;
mod network;
mod process;
mod records;

use super::Opt;

const PARTS: [&[Opt]; 4] = [accounts::OPTIONS, network::OPTIONS, records::OPTIONS, process::OPTIONS];
const NUMBER: usize =
    accounts::OPTIONS.len() + network::OPTIONS.len() + records::OPTIONS.len() + process::OPTIONS.len();

/// Every option of the server, in the order of the help.
pub static OPTIONS: &[Opt] = &joined(PARTS);

const fn joined(parts: [&[Opt]; 4]) -> [Opt; NUMBER] {
    let mut all = [accounts::OPTIONS[0]; NUMBER];
    let (mut part, mut next) = (0, 0);
    while part < parts.len() {
        let mut row = 0;
        while row < parts[part].len() {
            all[next] = parts[part][row];
            next += 1;
            row += 1;
        }
        part += 1;
    }
    all
}
