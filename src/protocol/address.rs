//! Addresses in commands and replies: PORT, EPRT, PASV, EPSV (RFC 959, 2428).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

/// The network protocols that RFC 2428 numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `1`.
    V4,
    /// `2`.
    V6,
}

impl Family {
    /// The family of an address, mapped ones being IPv4.
    pub fn of(address: IpAddr) -> Family {
        if address.to_canonical().is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// `1` or `2`.
    pub fn number(self) -> u8 {
        match self {
            Family::V4 => 1,
            Family::V6 => 2,
        }
    }
}

/// `h1,h2,h3,h4,p1,p2`.
pub fn parse_port(text: &[u8]) -> Option<SocketAddrV4> {
    let text = std::str::from_utf8(text).ok()?;
    let numbers: Vec<u8> = text.split(',').map(decimal::<u8>).collect::<Option<_>>()?;
    let &[a, b, c, d, high, low] = numbers.as_slice() else { return None };
    Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
}

/// `|1|132.235.1.2|6275|`: None if it is malformed, the protocol number alone if that is unknown.
pub fn parse_eprt(text: &[u8]) -> Option<Result<SocketAddr, u32>> {
    let text = std::str::from_utf8(text).ok()?.trim_matches(' ');
    let delimiter = text.chars().next().filter(char::is_ascii_graphic)?;
    let parts: Vec<&str> = text.split(delimiter).collect();
    let &["", family, address, port, ""] = parts.as_slice() else { return None };
    let port = decimal::<u16>(port)?;
    let address = match decimal::<u32>(family)? {
        1 => IpAddr::V4(address.parse::<Ipv4Addr>().ok()?),
        2 => IpAddr::V6(address.parse::<Ipv6Addr>().ok()?),
        other => return Some(Err(other)),
    };
    Some(Ok(SocketAddr::new(address, port)))
}

/// The text of 227; the parentheses are what clients look for (RFC 1123, 4.1.2.6).
pub fn pasv_text(address: Ipv4Addr, port: u16) -> String {
    let [a, b, c, d] = address.octets();
    let [high, low] = port.to_be_bytes();
    format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low}).")
}

/// The text of 229.
pub fn epsv_text(port: u16) -> String {
    format!("Entering Extended Passive Mode (|||{port}|).")
}

/// Digits and nothing else but blanks around them, as old devices pad: `parse` alone would take a sign.
pub fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim_matches(' ');
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_takes_six_bytes_and_nothing_else() {
        assert_eq!(parse_port(b"127,0,0,1,4,1"), Some("127.0.0.1:1025".parse().unwrap()));
        assert_eq!(parse_port(b" 127, 0,0,1,4,1 "), Some("127.0.0.1:1025".parse().unwrap()));
        for bad in
            ["", "1,2,3,4,5", "1,2,3,4,5,6,7", "256,0,0,1,4,1", "1,2,3,4,5,999999999999", "+1,2,3,4,5,6", "a,b,c,d,e,f"]
        {
            assert_eq!(parse_port(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn eprt_takes_both_families() {
        assert_eq!(parse_eprt(b"|1|127.0.0.1|6275|"), Some(Ok("127.0.0.1:6275".parse().unwrap())));
        assert_eq!(parse_eprt(b"!2!::1!6275!"), Some(Ok("[::1]:6275".parse().unwrap())));
        assert_eq!(parse_eprt(b"|3|::1|6275|"), Some(Err(3)));
        for bad in [
            "",
            "|",
            "|1|127.0.0.1|65536|",
            "|1|::1|6275|",
            "|2|127.0.0.1|6275|",
            "|1|127.0.0.1|-1|",
            "|1|127.0.0.1|6275",
        ] {
            assert_eq!(parse_eprt(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn passive_replies() {
        assert_eq!(pasv_text(Ipv4Addr::LOCALHOST, 30001), "Entering Passive Mode (127,0,0,1,117,49).");
        assert_eq!(epsv_text(30001), "Entering Extended Passive Mode (|||30001|).");
    }
}
