//! Addresses that failed to log in too often, and are refused for a while.

use crate::locks::lock;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// More addresses than this are not remembered at once; the table is swept before it grows beyond.
const MAX_ADDRESSES: usize = 10_000;

/// Counts failed logins by address (IPv6: by /64 network).
#[derive(Debug)]
pub struct Bans {
    failures: u32,
    period: Duration,
    table: Mutex<HashMap<IpAddr, Tally>>,
}

#[derive(Debug)]
struct Tally {
    failures: u32,
    since: Instant,
}

impl Bans {
    /// Refuses an address after so many failures within the period, for the period. 0: never.
    pub fn new(failures: u32, period: Duration) -> Bans {
        Bans { failures, period, table: Mutex::default() }
    }

    /// Notes a failed login; true if the address is banned from now on.
    pub fn note_failure(&self, address: IpAddr) -> bool {
        self.note_failure_at(address, Instant::now())
    }

    /// Whether the address is to be refused.
    pub fn is_banned(&self, address: IpAddr) -> bool {
        self.is_banned_at(address, Instant::now())
    }

    fn note_failure_at(&self, address: IpAddr, now: Instant) -> bool {
        if self.failures == 0 {
            return false;
        }
        let mut table = lock(&self.table);
        if table.len() >= MAX_ADDRESSES {
            table.retain(|_, tally| now.duration_since(tally.since) < self.period);
        }
        if table.len() >= MAX_ADDRESSES {
            // An attack from everywhere: forgetting all is better than growing for ever.
            table.clear();
        }
        let tally = table.entry(network(address)).or_insert(Tally { failures: 0, since: now });
        if now.duration_since(tally.since) >= self.period {
            *tally = Tally { failures: 0, since: now };
        }
        tally.failures += 1;
        if tally.failures == self.failures {
            tally.since = now; // the ban lasts for a period from here
        }
        tally.failures == self.failures
    }

    fn is_banned_at(&self, address: IpAddr, now: Instant) -> bool {
        self.failures > 0
            && lock(&self.table)
                .get(&network(address))
                .is_some_and(|tally| tally.failures >= self.failures && now.duration_since(tally.since) < self.period)
    }
}

/// Who holds one IPv6 address holds its whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_comes_with_the_last_failure_and_goes_with_time() {
        let bans = Bans::new(3, Duration::from_secs(60));
        let (ann, bob): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!bans.note_failure_at(ann, start) && !bans.note_failure_at(ann, after(59)));
        assert!(!bans.is_banned_at(ann, after(59)));
        assert!(bans.note_failure_at(ann, after(59)));
        assert!(bans.is_banned_at(ann, after(118)) && !bans.is_banned_at(bob, after(60)));
        assert!(!bans.is_banned_at(ann, after(119)));
        assert!(!bans.note_failure_at(ann, after(200)));
    }

    #[test]
    fn ipv6_is_counted_by_network_and_zero_is_never() {
        let bans = Bans::new(1, Duration::from_secs(60));
        bans.note_failure("2001:db8::1".parse().unwrap());
        assert!(bans.is_banned("2001:db8::2".parse().unwrap()));
        assert!(!bans.is_banned("2001:db8:0:1::1".parse().unwrap()));
        let never = Bans::new(0, Duration::from_secs(60));
        assert!(!never.note_failure("10.0.0.1".parse().unwrap()));
        assert!(!never.is_banned("10.0.0.1".parse().unwrap()));
    }
}
