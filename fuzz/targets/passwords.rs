//! Stored passwords of any text: none is read as something that would take for ever, and what is verified holds for one
//! password.

#![no_main]

use django_ftpd::accounts::Denial;
use django_ftpd::accounts::fuzzing::{check, cost, stored};
use libfuzzer_sys::fuzz_target;

/// Rounds of PBKDF2 that a run may take, a millisecond or so; and what no stored password may.
const CHEAP: u64 = 2_000;
const MOST: u64 = 250_000_000;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (text, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(text) = std::str::from_utf8(text) else { return };
    match cost(text) {
        Err(denial) => {
            let is_told = matches!(denial, Denial::UnusablePassword | Denial::UnknownAlgorithm(_));
            assert!(is_told && denial.to_string().len() < text.len() + 200);
            assert_eq!(check(text, password), [Err(denial.clone()), Err(denial)]);
        }
        Ok(rounds) => {
            assert!(rounds <= MOST, "{rounds}");
            if rounds <= CHEAP {
                let [strict, lenient] = check(text, password);
                // Who believes less lets nobody else in.
                assert!(strict.is_err() || lenient.is_ok());
                assert!(lenient.is_err() || check(text, &[password, b"x"].concat())[1].is_err() || is_cut(text));
            }
        }
    }
    let made = stored(password, 1).expect("there is entropy");
    assert_eq!(check(&made, password), [Ok(()), Ok(())]);
    assert_eq!(check(&made, &[password, b"x"].concat())[0], Err(Denial::WrongPassword));
});

/// Of bcrypt alone only 72 bytes count.
fn is_cut(text: &str) -> bool {
    text.starts_with("bcrypt$")
}
