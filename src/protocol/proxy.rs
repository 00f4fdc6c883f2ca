//! The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): what a proxy says in front of a connection about
//! whose it is.

use std::net::{IpAddr, SocketAddr};

/// Version 1, its shortest and its longest header.
const SHORTEST_LINE: usize = b"PROXY UNKNOWN\r\n".len();
const LONGEST_LINE: usize = 107;
const WORD: &[u8] = b"PROXY ";
/// Version 2: what it begins with, and how much may be behind the fixed part.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;
const LONGEST_REST: usize = 4096;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The proxy's own, such as a look whether the server is well, or it does not know.
    Proxy,
    /// A client's.
    Client {
        /// Its address.
        client: SocketAddr,
        /// What it has connected to.
        reached: SocketAddr,
    },
}

/// What came of looking at the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// All of them are the header.
    Whole(Origin),
    /// At least so many more are the header's; who reads no more than these reads nothing of what follows it.
    Needs(usize),
}

/// Why it is no header.
pub type Malformed = &'static str;

impl Header {
    /// Looks at what has come.
    pub fn parse(bytes: &[u8]) -> Result<Header, Malformed> {
        match bytes.first() {
            None => Ok(Header::Needs(SHORTEST_LINE)),
            Some(b'P') => line(bytes),
            Some(b'\r') => binary(bytes),
            Some(_) => Err(NO_HEADER),
        }
    }
}

const NO_HEADER: Malformed = "no PROXY header comes first";
const TOO_LONG: Malformed = "the PROXY header is too long";
const NO_ADDRESSES: Malformed = "the PROXY header has no addresses";
const NO_CLIENT: Malformed = "the PROXY header has an address that no client can have";

fn line(bytes: &[u8]) -> Result<Header, Malformed> {
    if !begin_alike(bytes, WORD) {
        return Err(NO_HEADER);
    }
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
        let end = if bytes.ends_with(b"\r") { 1 } else { 2 };
        let missing = SHORTEST_LINE.saturating_sub(bytes.len()).max(end);
        return if bytes.len() + missing > LONGEST_LINE { Err(TOO_LONG) } else { Ok(Header::Needs(missing)) };
    };
    if end >= LONGEST_LINE {
        return Err(TOO_LONG);
    }
    let is_one_line = end + 1 == bytes.len();
    let text = bytes.strip_suffix(b"\r\n").filter(|_| is_one_line);
    let text = text.ok_or("the PROXY header does not end with its line")?;
    let words: Vec<&[u8]> = text.split(|&b| b == b' ').collect();
    match *words {
        [_, b"UNKNOWN", ..] => Ok(Header::Whole(Origin::Proxy)),
        [_, family @ (b"TCP4" | b"TCP6"), client, reached, client_port, reached_port] => {
            let address = |ip, port| Some(SocketAddr::new(number::<IpAddr>(ip)?, number::<u16>(port)?));
            let both = address(client, client_port).zip(address(reached, reached_port));
            let is_right = |ip: &SocketAddr| ip.is_ipv4() == (family == b"TCP4");
            let (client, reached) =
                both.filter(|(client, reached)| is_right(client) && is_right(reached)).ok_or(NO_ADDRESSES)?;
            of_client(client, reached)
        }
        _ => Err(NO_ADDRESSES),
    }
}

fn binary(bytes: &[u8]) -> Result<Header, Malformed> {
    if !begin_alike(bytes, SIGNATURE) {
        return Err(NO_HEADER);
    }
    let Some((&[.., command, family, high, low], rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(Header::Needs(FIXED - bytes.len()));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_REST {
        return Err(TOO_LONG);
    }
    match length.checked_sub(rest.len()) {
        Some(0) => {}
        Some(missing) => return Ok(Header::Needs(missing)),
        None => return Err("there is more than the PROXY header"),
    }
    match (command, family) {
        (0x20, _) | (0x21, UNSPECIFIED | UNIX_STREAM | UNIX_DATAGRAM) => Ok(Header::Whole(Origin::Proxy)),
        (0x21, TCP4) => of_binary::<4>(rest),
        (0x21, TCP6) => of_binary::<16>(rest),
        (0x21, _) => Err("the PROXY header is of another protocol than TCP"),
        _ => Err("the PROXY header has a version or command that is not known"),
    }
}

const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
const UNIX_DATAGRAM: u8 = 0x32;

/// Addresses of so many bytes and their ports; what is behind them does not matter.
fn of_binary<const N: usize>(mut rest: &[u8]) -> Result<Header, Malformed>
where
    IpAddr: From<[u8; N]>,
{
    let mut parts = || {
        let (client, reached): ([u8; N], [u8; N]) = (take(&mut rest)?, take(&mut rest)?);
        let (client_port, reached_port) = (u16::from_be_bytes(take(&mut rest)?), u16::from_be_bytes(take(&mut rest)?));
        let address = |ip: [u8; N], port| SocketAddr::new(ip.into(), port);
        Some((address(client, client_port), address(reached, reached_port)))
    };
    let (client, reached) = parts().ok_or(NO_ADDRESSES)?;
    of_client(client, reached)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (piece, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*piece)
}

fn of_client(client: SocketAddr, reached: SocketAddr) -> Result<Header, Malformed> {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (client, reached) = (canonical(client), canonical(reached));
    match client.ip().is_unspecified() || client.ip().is_multicast() {
        true => Err(NO_CLIENT),
        false => Ok(Header::Whole(Origin::Client { client, reached })),
    }
}

/// Without a sign in front, which the standard library takes.
fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

fn begin_alike(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(client: &str, reached: &str) -> Result<Header, Malformed> {
        let (client, reached) = (client.parse().unwrap(), reached.parse().unwrap());
        Ok(Header::Whole(Origin::Client { client, reached }))
    }

    const PROXY: Result<Header, Malformed> = Ok(Header::Whole(Origin::Proxy));

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        [SIGNATURE, &[command, family], &(rest.len() as u16).to_be_bytes(), rest].concat()
    }

    fn ipv4() -> Vec<u8> {
        vec![192, 0, 2, 7, 10, 0, 0, 2, 0x30, 0x39, 0, 21]
    }

    fn ipv6() -> Vec<u8> {
        let mut bytes = [[0; 15].as_slice(), &[1], &[0; 15], &[2], &[0x30, 0x39, 0, 21]].concat();
        bytes[..2].copy_from_slice(&[0x20, 0x01]);
        bytes
    }

    /// Every sort of header.
    fn headers() -> Vec<Vec<u8>> {
        let longest = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", "ffff:".repeat(7) + "ffff");
        assert_eq!(longest.len(), LONGEST_LINE);
        vec![
            b"PROXY TCP4 192.0.2.7 10.0.0.2 12345 21\r\n".to_vec(),
            b"PROXY TCP6 2001:db8::1 ::2 12345 21\r\n".to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            longest.into_bytes(),
            version_2(0x20, 0, &[]),
            version_2(0x21, TCP4, &ipv4()),
            version_2(0x21, TCP6, &ipv6()),
            version_2(0x21, TCP4, &[ipv4(), vec![4; 4084]].concat()),
            version_2(0x21, UNIX_STREAM, &[0; 216]),
        ]
    }

    #[test]
    fn both_versions_say_who_has_connected_to_what() {
        let parse = |bytes: &[u8]| Header::parse(bytes);
        let line = |text: &str| Header::parse(text.as_bytes());
        assert_eq!(line("PROXY TCP4 192.0.2.7 10.0.0.2 12345 21\r\n"), client("192.0.2.7:12345", "10.0.0.2:21"));
        assert_eq!(line("PROXY TCP6 2001:db8::1 ::2 12345 21\r\n"), client("[2001:db8::1]:12345", "[::2]:21"));
        assert_eq!(line("PROXY UNKNOWN 1 2 whatever\r\n"), PROXY);
        assert_eq!(parse(&version_2(0x21, TCP4, &ipv4())), client("192.0.2.7:12345", "10.0.0.2:21"));
        assert_eq!(parse(&version_2(0x21, TCP6, &ipv6())), client("[2001::1]:12345", "[::2]:21"));
        assert_eq!(parse(&version_2(0x20, TCP4, &ipv4())), PROXY, "LOCAL, whatever else it says");
        assert_eq!(parse(&version_2(0x21, UNSPECIFIED, &[])), PROXY);
        let more = [ipv4(), b"\x03\0\x04abcd".to_vec()].concat();
        assert_eq!(parse(&version_2(0x21, TCP4, &more)), client("192.0.2.7:12345", "10.0.0.2:21"));
    }

    #[test]
    fn ipv4_in_ipv6_form_is_ipv4() {
        let header = Header::parse(b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.2 12345 21\r\n");
        assert_eq!(header, client("192.0.2.7:12345", "10.0.0.2:21"));
    }

    /// In whatever pieces it comes: what is needed next is never more than there is, and the last piece makes it whole.
    #[test]
    fn no_truncation_is_a_header_and_what_is_needed_is_never_more_than_is_missing() {
        for header in headers() {
            for length in 0..header.len() {
                match Header::parse(&header[..length]) {
                    Ok(Header::Needs(missing)) => assert!((1..=header.len() - length).contains(&missing)),
                    other => panic!("{length} of {header:?}: {other:?}"),
                }
            }
            assert!(matches!(Header::parse(&header), Ok(Header::Whole(_))), "{header:?}");
            assert!(Header::parse(&[&header[..], b"U"].concat()).is_err(), "{header:?}");
        }
    }

    #[test]
    fn a_reader_that_takes_what_is_needed_reads_nothing_of_what_follows() {
        for header in headers() {
            let mut length = 0;
            while let Ok(Header::Needs(more)) = Header::parse(&header[..length]) {
                length += more;
            }
            assert_eq!(length, header.len());
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_early_as_it_shows() {
        let too_long = [b"PROXY ".as_slice(), &[b'x'; 100]].concat();
        let huge = [SIGNATURE, &[0x21, TCP4], &4097u16.to_be_bytes()].concat();
        let cases: &[(&[u8], Malformed)] = &[
            (b"U", NO_HEADER),
            (b"PO", NO_HEADER),
            (b"PROXY\t", NO_HEADER),
            (b"\r\n\r\n\0\r\nQUIT\r", NO_HEADER),
            (&too_long, TOO_LONG),
            (&huge, TOO_LONG),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "the PROXY header does not end with its line"),
            (b"PROXY UNKNOWN \nUSER ann\r\n", "the PROXY header does not end with its line"),
            (b"PROXY \r\n", NO_ADDRESSES),
            (b"PROXY TCP4\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n", NO_ADDRESSES),
            (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", NO_ADDRESSES),
            (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 \xff.2.3.4 1.2.3.4 1 2\r\n", NO_ADDRESSES),
            (b"PROXY TCP4 0.0.0.0 1.2.3.4 1 2\r\n", NO_CLIENT),
            (b"PROXY TCP4 224.0.0.1 1.2.3.4 1 2\r\n", NO_CLIENT),
            (&version_2(0x21, TCP4, &ipv4()[..11]), NO_ADDRESSES),
            (&version_2(0x21, TCP6, &ipv4()), NO_ADDRESSES),
            (&version_2(0x21, 0x12, &ipv4()), "the PROXY header is of another protocol than TCP"),
            (&version_2(0x22, TCP4, &ipv4()), "the PROXY header has a version or command that is not known"),
            (&version_2(0x11, TCP4, &ipv4()), "the PROXY header has a version or command that is not known"),
        ];
        for (bytes, why) in cases {
            assert_eq!(Header::parse(bytes), Err(*why), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn zeros_make_no_line_longer_than_the_longest() {
        let line = format!("PROXY TCP6 ::1 ::2 5214 {:0>90}\r\n", 9214);
        assert!(line.len() > LONGEST_LINE);
        assert_eq!(Header::parse(line.as_bytes()), Err(TOO_LONG));
    }

    #[test]
    fn no_byte_in_any_place_is_too_much_for_it() {
        for header in headers() {
            for place in 0..header.len() {
                for byte in 0..=255 {
                    let mut changed = header.clone();
                    changed[place] = byte;
                    let _ = Header::parse(&changed);
                }
            }
        }
    }
}
