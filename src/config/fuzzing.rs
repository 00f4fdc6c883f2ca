//! A door for the targets in `fuzz/`; no other build has it.

use super::{Config, Problem, file};

/// What a file of these bytes asks for.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Config, Problem> {
    let file = file::parse(name, bytes)?;
    Ok(Config { sections: file.sections, ..Config::default().with(&file.settings)? })
}
