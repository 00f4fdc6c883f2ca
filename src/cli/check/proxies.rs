//! Who may say whose a connection is.

use super::report::Report;
use crate::config::Config;

/// A network with fewer bits is no network of proxies.
const FEW_BITS: u8 = 8;

pub(super) fn examine(config: &Config, report: &mut Report) {
    let networks = &config.trusted_proxies;
    if networks.is_empty() {
        return;
    }
    let mut part = report.part("proxies");
    let all: Vec<String> = networks.iter().map(|network| network.to_string()).collect();
    let header = "connections from there have to begin with a PROXY header (send-proxy-v2 in HAProxy)";
    part.ok(format!("{}: {header}", all.join(", ")));
    for network in networks.iter().filter(|network| network.prefix() < FEW_BITS) {
        part.warning(format!(
            "trusted_proxies: {network} is nearly everybody: whoever reaches the server can claim any address, and is \
             refused without a header; name the proxies alone"
        ));
    }
    if config.masquerade_address.is_some() {
        part.note(
            "if masquerade_address is not the address that clients reach the proxy at, data connections may go past \
             the proxy: then EPSV is refused, and clients that don't go where PASV tells them (such as curl, unless told \
             so) still go to the proxy",
        );
    }
}
