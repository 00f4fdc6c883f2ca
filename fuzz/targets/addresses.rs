//! What names an address: PORT, EPRT, and networks of the configuration. What is read is what it is written as.

#![no_main]

use django_ftpd::protocol::address::{Family, decimal, epsv_text, parse_eprt, parse_port, pasv_text};
use django_ftpd::protocol::network::Network;
use libfuzzer_sys::fuzz_target;
use std::net::SocketAddr;

fuzz_target!(|input: &[u8]| {
    if let Some(address) = parse_port(input) {
        let text = pasv_text(*address.ip(), address.port());
        let inside = text.split(['(', ')']).nth(1).expect("parentheses");
        assert_eq!(parse_port(inside.as_bytes()), Some(address));
    }
    match parse_eprt(input) {
        Some(Ok(address)) => {
            let family = if address.is_ipv4() { 1 } else { 2 };
            let text = format!("|{family}|{}|{}|", address.ip(), address.port());
            assert_eq!(parse_eprt(text.as_bytes()), Some(Ok(address)));
            assert!(epsv_text(address.port()).contains(&format!("(|||{}|)", address.port())));
            // A mapped address is IPv4, whatever it was written as.
            let is_v4 = address.ip().to_canonical().is_ipv4();
            assert_eq!(Family::of(address.ip()).number(), if is_v4 { 1 } else { 2 });
            assert!(matches!(address, SocketAddr::V4(_)) || address.is_ipv6());
        }
        Some(Err(number)) => assert!(![1, 2].contains(&number)),
        None => {}
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    assert_eq!(decimal::<u16>(text).map(u32::from), decimal::<u32>(text).filter(|number| *number < 65536));
    if let Ok(network) = text.parse::<Network>() {
        assert_eq!(network.to_string().parse(), Ok(network));
        let ip = text.split('/').next().and_then(|ip| ip.parse().ok()).expect("its address");
        assert!(network.contains(ip));
    }
});
