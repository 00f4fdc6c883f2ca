//! PROXY headers: in whatever pieces they come, no byte behind them is read, and who is introduced can be a client.

#![no_main]

use django_ftpd::protocol::proxy::{Header, Origin};
use libfuzzer_sys::fuzz_target;

/// A header of version 2 with as much behind it as is taken.
const LONGEST: usize = 16 + 4096;

fuzz_target!(|input: &[u8]| {
    // As the server reads it.
    let mut length = 0;
    let read = loop {
        match Header::parse(&input[..length]) {
            Ok(Header::Needs(more)) => {
                assert!(more > 0 && length + more <= LONGEST);
                if length + more > input.len() {
                    break None;
                }
                length += more;
            }
            other => break Some(other),
        }
    };
    // As it would be, a byte at a time: no shorter beginning is whole, and none is refused that could become one.
    let first =
        (0..=length).map(|end| Header::parse(&input[..end])).find(|header| !matches!(header, Ok(Header::Needs(_))));
    match (read, first) {
        (Some(Ok(header)), first) => {
            assert_eq!(first, Some(Ok(header)));
            assert!(Header::parse(&[&input[..length], b"U"].concat()).is_err());
            if let Header::Whole(Origin::Client { client, reached }) = header {
                assert!(!client.ip().is_unspecified() && !client.ip().is_multicast());
                assert_eq!((client.ip(), reached.ip()), (client.ip().to_canonical(), reached.ip().to_canonical()));
            }
        }
        (Some(Err(why)), Some(first)) => assert!(first.is_err(), "{why}"),
        (Some(Err(why)), None) => panic!("{why}, but not at once"),
        (None, first) => assert!(first.is_none() || first.is_some_and(|first| first.is_err()), "{first:?}"),
    }
    if let Ok(Header::Whole(_)) = Header::parse(input) {
        assert!(matches!(read, Some(Ok(_))) && length == input.len());
    }
});
