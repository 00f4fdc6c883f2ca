//! A network as CIDR writes it: `192.168.0.0/16`, `fd00::/8`, or one address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Some addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether it has an address; IPv4 addresses also in their IPv6 form.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (address, prefix) = (address.to_canonical(), u32::from(self.prefix));
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => {
                (ours.to_bits() ^ other.to_bits()).checked_shr(32 - prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(other)) => {
                (ours.to_bits() ^ other.to_bits()).checked_shr(128 - prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// How many bits are the network's; the more, the smaller it is.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let parse = || {
            let (address, prefix) =
                text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let prefix = match prefix {
                None => most,
                Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
                Some(_) => return None,
            };
            (prefix <= most).then_some(Network { address, prefix })
        };
        const MAPPED: u8 = 96;
        let network = parse().ok_or_else(|| format!("{text:?} is not a network such as 192.168.0.0/16 or fd00::/8"))?;
        match network.address.to_canonical() {
            // IPv4 clients are known by their IPv4 addresses; here are the same ones as such.
            address if address != network.address && network.prefix >= MAPPED => {
                Network { address, prefix: network.prefix - MAPPED }.whole(text)
            }
            address if address != network.address => Err(format!(
                "{text:?} has IPv4 addresses and others in it; write 0.0.0.0/0 for all of IPv4, and ::/0 for all of IPv6"
            )),
            _ => network.whole(text),
        }
    }
}

impl Network {
    /// It, if nothing is behind its prefix.
    fn whole(self, text: &str) -> Result<Network, String> {
        match self.first() {
            first if first == self.address => Ok(self),
            first => Err(format!("{text:?} has bits behind its prefix; {first}/{} is the network", self.prefix)),
        }
    }

    fn first(&self) -> IpAddr {
        let prefix = u32::from(self.prefix);
        match self.address {
            IpAddr::V4(address) => {
                Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into()
            }
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into()
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_their_networks() {
        let contains =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(contains("192.168.0.0/16", "192.168.255.1") && !contains("192.168.0.0/16", "192.169.0.1"));
        assert!(contains("192.168.0.0/16", "::ffff:192.168.0.1") && !contains("192.168.0.0/16", "::1"));
        assert!(contains("0.0.0.0/0", "8.8.8.8") && contains("::/0", "2001:db8::1"));
        assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "fe80::1"));
    }

    #[test]
    fn ipv4_networks_in_ipv6_form_are_ipv4_networks() {
        let parse = |text: &str| text.parse::<Network>();
        assert_eq!(parse("::ffff:127.0.0.0/104"), parse("127.0.0.0/8"));
        assert_eq!(parse("::ffff:192.0.2.7"), parse("192.0.2.7"));
        assert_eq!(parse("::ffff:0:0/96"), parse("0.0.0.0/0"));
        assert!(parse("::ffff:127.0.0.0/104").unwrap().contains("127.1.2.3".parse().unwrap()));
        let why = "\"::ffff:127.0.0.1/104\" has bits behind its prefix; 127.0.0.0/8 is the network";
        assert_eq!(parse("::ffff:127.0.0.1/104"), Err(why.into()));
        for text in ["::ffff:0:0/95", "::ffff:10.0.0.0/80", "::ffff:0:0/0"] {
            assert!(parse(text).unwrap_err().contains("write 0.0.0.0/0 for all of IPv4"), "{text}");
        }
    }

    #[test]
    fn what_is_no_network_says_why() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "host", "10.0.0/8"] {
            let why = format!("{text:?} is not a network such as 192.168.0.0/16 or fd00::/8");
            assert_eq!(text.parse::<Network>(), Err(why));
        }
        let why = "\"192.168.1.7/24\" has bits behind its prefix; 192.168.1.0/24 is the network";
        assert_eq!("192.168.1.7/24".parse::<Network>(), Err(why.into()));
    }
}
