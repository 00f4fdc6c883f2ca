//! What a proxy says in front of a connection.

use super::{Client, Data};
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream};

/// Who the proxy is in the tests.
pub const PROXY: &str = "127.0.0.9";
/// What its clients have connected to.
pub const REACHED: &str = "198.51.100.1:21";

/// Version 1.
pub fn header_1(client: &str) -> Vec<u8> {
    let (client, reached) = addresses(client);
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (ip, port) = (client.ip(), client.port());
    format!("PROXY {family} {ip} {} {port} {}\r\n", reached.ip(), reached.port()).into_bytes()
}

/// Version 2, with something behind the addresses that only proxies understand.
pub fn header_2(client: &str) -> Vec<u8> {
    let (client, reached) = addresses(client);
    let bytes = |ip| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let ports = [client.port().to_be_bytes(), reached.port().to_be_bytes()].concat();
    let rest = [bytes(client.ip()), bytes(reached.ip()), ports, b"\x03\0\x04\x01\x02\x03\x04".to_vec()].concat();
    header_with(0x21, if client.is_ipv4() { 0x11 } else { 0x21 }, &rest)
}

/// Version 2 of a proxy that looks whether the server is well.
pub fn header_local() -> Vec<u8> {
    header_with(0x20, 0, &[])
}

fn header_with(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = (rest.len() as u16).to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &length, rest].concat()
}

/// Of the same family.
fn addresses(client: &str) -> (SocketAddr, SocketAddr) {
    let client: IpAddr = client.parse().unwrap();
    let reached = if client.is_ipv4() { REACHED } else { "[2001:db8::21]:21" };
    ((client, 4711).into(), reached.parse().unwrap())
}

impl Client {
    /// Through the proxy, which says this in front.
    pub fn behind_proxy(server: SocketAddr, header: &[u8]) -> Client {
        let mut client = Client::connect_from(PROXY, server);
        client.send_bytes(header);
        client
    }
}

impl Data {
    /// Through the proxy, which says this in front.
    pub fn behind_proxy(server: SocketAddr, header: &[u8]) -> TcpStream {
        let mut stream = Data::connect_from(PROXY, server).stream;
        stream.write_all(header).unwrap();
        stream
    }
}
