//! Files of options: a configuration, or one line that names the file, the line and what is wrong there.

#![no_main]

use django_ftpd::config::fuzzing::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    match parse("x.conf", input) {
        Err(problem) => {
            let words = problem.to_string();
            let number = words.strip_prefix("x.conf:").and_then(|rest| rest.split(':').next());
            let line: usize = number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{words}"));
            assert!((1..=1 + input.iter().filter(|byte| **byte == b'\n').count()).contains(&line), "{words}");
            assert!(!words.chars().any(char::is_control), "{words}");
        }
        Ok(config) => {
            let remarked = [input, b"\n# a remark"].concat();
            assert_eq!(parse("x.conf", &remarked), Ok(config));
        }
    }
});
