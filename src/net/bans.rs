//! Addresses that are refused: for a while, because they failed to log in too often, or because the administrator
//! wants it.

use crate::locks::{Mutex, MutexGuard, lock};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// More addresses than this are not remembered at once; the table is swept before it grows beyond.
const MAX_ADDRESSES: usize = 10_000;

/// Counts failed logins by address (IPv6: by /64 network), and knows whom the administrator has banned.
#[derive(Debug)]
pub struct Bans(Mutex<Table>);

#[derive(Debug)]
struct Table {
    failures: u32,
    period: Duration,
    tallies: HashMap<IpAddr, Tally>,
    /// By the administrator, until then; None: for good.
    ordered: HashMap<IpAddr, Option<Instant>>,
}

#[derive(Debug)]
struct Tally {
    failures: u32,
    since: Instant,
    /// It is refused until then.
    banned_until: Option<Instant>,
}

/// An address that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// The address, or the first one of a /64 network.
    pub network: IpAddr,
    /// For so long; None: until the administrator wants otherwise.
    pub left: Option<Duration>,
    /// The administrator has ordered it.
    pub is_ordered: bool,
}

impl Bans {
    /// Refuses an address after so many failures within the period, for the period. 0: never.
    pub fn new(failures: u32, period: Duration) -> Bans {
        Bans(Mutex::new(Table { failures, period, tallies: HashMap::new(), ordered: HashMap::new() }))
    }

    /// Other rules from now on; a ban that is in force lasts as long as it would have, unless there are to be none.
    pub fn set_rules(&self, failures: u32, period: Duration) {
        let mut table = self.lock();
        (table.failures, table.period) = (failures, period);
        if failures == 0 {
            table.tallies.clear();
        }
    }

    /// Notes a failed login; true if the address is banned from now on.
    pub fn note_failure(&self, address: IpAddr) -> bool {
        self.note_failure_at(address, Instant::now())
    }

    /// Whether the address is to be refused.
    pub fn is_banned(&self, address: IpAddr) -> bool {
        self.is_banned_at(address, Instant::now())
    }

    /// Refuses an address for so long, or until [`lift`](Bans::lift); false if too many are refused already.
    pub fn order(&self, address: IpAddr, period: Option<Duration>) -> bool {
        let (mut table, now) = (self.lock(), Instant::now());
        let address = network(address);
        table.ordered.retain(|_, until| until.is_none_or(|until| until > now));
        if table.ordered.len() >= MAX_ADDRESSES && !table.ordered.contains_key(&address) {
            return false;
        }
        // What is too far away to be told is for ever.
        table.ordered.insert(address, period.and_then(|period| now.checked_add(period)));
        true
    }

    /// Takes an address again; false if it was not refused. Its failures are forgotten, too.
    pub fn lift(&self, address: IpAddr) -> bool {
        let (mut table, now) = (self.lock(), Instant::now());
        let was_banned = table.is_banned(network(address), now);
        table.tallies.remove(&network(address));
        table.ordered.remove(&network(address));
        was_banned
    }

    /// Who is refused now, in order of their addresses.
    pub fn list(&self) -> Vec<Ban> {
        let (table, now) = (self.lock(), Instant::now());
        let left = |until: Option<Instant>| until.map(|until| until.saturating_duration_since(now));
        let ordered = table.ordered.iter().filter(|(_, until)| until.is_none_or(|until| until > now));
        let ordered = ordered.map(|(network, until)| Ban { network: *network, left: left(*until), is_ordered: true });
        let failed = table.tallies.iter().filter(|(_, tally)| tally.is_banned(now));
        let failed =
            failed.map(|(network, tally)| Ban { network: *network, left: left(tally.banned_until), is_ordered: false });
        let mut bans: Vec<Ban> = ordered.chain(failed).collect();
        bans.sort_by_key(|ban| (ban.network, !ban.is_ordered));
        bans.dedup_by_key(|ban| ban.network);
        bans
    }

    fn note_failure_at(&self, address: IpAddr, now: Instant) -> bool {
        let mut table = self.lock();
        let (most, period) = (table.failures, table.period);
        if most == 0 {
            return false;
        }
        let tallies = &mut table.tallies;
        if tallies.len() >= MAX_ADDRESSES {
            tallies.retain(|_, tally| tally.is_banned(now) || now.duration_since(tally.since) < period);
        }
        if tallies.len() >= MAX_ADDRESSES {
            // An attack from everywhere: forgetting all is better than growing for ever.
            tallies.clear();
        }
        let new = || Tally { failures: 0, since: now, banned_until: None };
        let tally = tallies.entry(network(address)).or_insert_with(new);
        if !tally.is_banned(now) && (tally.banned_until.is_some() || now.duration_since(tally.since) >= period) {
            *tally = new();
        }
        tally.failures = tally.failures.saturating_add(1);
        if tally.failures < most || tally.is_banned(now) {
            return false;
        }
        tally.banned_until = Some(now + period);
        true
    }

    fn is_banned_at(&self, address: IpAddr, now: Instant) -> bool {
        self.lock().is_banned(network(address), now)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.0)
    }
}

impl Table {
    fn is_banned(&self, network: IpAddr, now: Instant) -> bool {
        self.ordered.get(&network).is_some_and(|until| until.is_none_or(|until| until > now))
            || self.tallies.get(&network).is_some_and(|tally| tally.is_banned(now))
    }
}

impl Tally {
    fn is_banned(&self, now: Instant) -> bool {
        self.banned_until.is_some_and(|until| until > now)
    }
}

/// What is refused together with an address: who holds one IPv6 address holds its whole /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

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

    /// Whoever fails whenever: an address is banned exactly when its failures, read from the first to the last, say so.
    #[test]
    fn bans_are_what_the_failures_of_an_address_say() {
        const PERIOD: Duration = Duration::from_secs(60);
        let (bans, start) = (Bans::new(3, PERIOD), Instant::now());
        let mut failures = vec![Vec::new(); 4];
        // Until when an address is banned that has failed at these times.
        let read = |times: &[Instant]| {
            let (mut window, mut until) = (Vec::new(), None);
            for &time in times {
                if until.is_some_and(|until| time < until) {
                    continue;
                }
                if until.take().is_some() || window.first().is_some_and(|first| time >= *first + PERIOD) {
                    window.clear();
                }
                window.push(time);
                until = (window.len() == 3).then_some(time + PERIOD);
            }
            until
        };
        let mut now = start;
        for step in 0..5000_u64 {
            let roll = BuildHasherDefault::<DefaultHasher>::default().hash_one(step);
            now += Duration::from_secs(roll >> 8 & 15);
            let number = (roll & 3) as usize;
            let address = IpAddr::from([10, 0, 0, number as u8]);
            let was_banned = read(&failures[number]).is_some_and(|until| now < until);
            assert_eq!(bans.is_banned_at(address, now), was_banned);
            if roll >> 16 & 3 != 0 {
                failures[number].push(now);
                let is_banned = read(&failures[number]).is_some_and(|until| now < until);
                assert_eq!(bans.note_failure_at(address, now), is_banned && !was_banned);
            }
        }
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

    #[test]
    fn the_administrator_bans_and_lifts() {
        let bans = Bans::new(1, Duration::from_secs(60));
        let (ann, bob): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert!(bans.order(ann, None) && bans.order(bob, Some(Duration::from_secs(100))));
        bans.note_failure("10.0.0.9".parse().unwrap());
        assert!(bans.is_banned(ann) && bans.is_banned("2001:db8::2".parse().unwrap()));
        let shown: Vec<_> = bans.list().iter().map(|ban| (ban.network.to_string(), ban.is_ordered)).collect();
        let expected = [("10.0.0.1", true), ("10.0.0.9", false), ("2001:db8::", true)];
        assert_eq!(shown, expected.map(|(network, is_ordered)| (network.to_string(), is_ordered)));
        assert_eq!(bans.list()[0].left, None);
        assert!(bans.is_banned_at(bob, Instant::now() + Duration::from_secs(99)));
        assert!(!bans.is_banned_at(bob, Instant::now() + Duration::from_secs(101)));
        assert!(bans.lift(bob) && !bans.lift(bob) && !bans.is_banned(bob));
        assert!(bans.lift("10.0.0.9".parse().unwrap()) && bans.list().len() == 1);
        assert!(bans.order(bob, Some(Duration::MAX)) && bans.is_banned(bob));
    }

    #[test]
    fn other_rules_leave_bans_in_force_unless_there_are_to_be_none() {
        let bans = Bans::new(1, Duration::from_secs(60));
        let ann: IpAddr = "10.0.0.1".parse().unwrap();
        bans.note_failure(ann);
        bans.set_rules(5, Duration::from_secs(1));
        assert!(bans.is_banned_at(ann, Instant::now() + Duration::from_secs(50)));
        bans.set_rules(0, Duration::from_secs(1));
        assert!(!bans.is_banned(ann));
    }
}
