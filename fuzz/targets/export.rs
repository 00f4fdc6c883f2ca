//! Files as dumpdata writes them, or not: users that can be told apart, or one line that says what is wrong; the same in
//! whatever pieces the file is read.

#![no_main]

use django_ftpd::accounts::fuzzing::export;
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use std::io::{self, Read};

fuzz_target!(|input: &[u8]| {
    let found = export(input);
    let slowly = export(Slow(input));
    // How much of a damaged gzip file can be unpacked depends on how it is read, and so what is said of it.
    assert!(slowly == found || (slowly.is_err() && found.is_err()));
    match found {
        Err(why) => {
            assert!(!why.is_empty() && !why.chars().any(char::is_control) && why.len() < 2000, "{why}");
        }
        Ok(users) => {
            let names: HashSet<&str> = users.iter().map(|user| user.username.as_str()).collect();
            assert_eq!(names.len(), users.len());
            // Nobody comes from nowhere: each takes some bytes, which gzip makes fewer.
            assert!(users.len() <= input.len() * 1100);
        }
    }
});

/// A byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}
