//! Where accounts come from, and each of them: whether its password can be verified, and its home.

use super::access::{Server, directory_of};
use super::homes;
use super::report::{Part, Report, number};
use crate::accounts::{Accounts, Denial, DjangoDatabase, Surveyed};
use crate::cli::{parts, programs};
use crate::config::Config;
use crate::process::users;
use crate::protocol::shown::Shown;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// An export that nobody has written for so long may be one that nobody writes any more.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn examine(config: &Config, server: &Server, report: &mut Report) {
    let program = programs::of_accounts(config);
    // A user that there is not, is told elsewhere.
    let person = config.file_access_user.as_deref().and_then(|user| users::person(user).ok());
    let usual_home = parts::usual_home(person.as_ref());
    let accounts = match program.and_then(|program| parts::accounts(config, program, &usual_home)) {
        Ok(accounts) => accounts,
        Err(why) => return report.part("accounts").fault(why),
    };
    if let Some(path) = &config.database {
        database(config, path, server, &mut report.part("database"));
    }
    if let Some(path) = &config.export {
        export(path, &mut report.part("export"));
    }
    if let Some(words) = &config.accounts_command {
        let words = words.join(" ");
        return report.part("accounts").ok(format!("{words} is asked at each login; it was not run now"));
    }
    let mut found = Vec::new();
    let survey = match accounts.survey(&mut |account| found.push(account)) {
        Ok(survey) => survey,
        Err(why) => return report.part("accounts").fault(why),
    };
    let mut part = report.part("accounts");
    part.ok(format!(
        "{}, of whom {} may log in; {}",
        number(survey.users, "user"),
        found.iter().filter(|account| account.is_active).count(),
        number(survey.groups.ftp.len() + survey.groups.django.len(), "group")
    ));
    if found.is_empty() {
        part.warning(match survey.users {
            0 => "nobody can log in: there is no user; django-ftpd user create makes one, and so does the site's admin",
            _ => {
                "nobody can log in: no user has an FTP account; give them one in the site's admin, or with django-ftpd \
                 account create, or let all of them in with all_users"
            }
        });
    }
    survey.strangers.into_iter().for_each(|stranger| part.fault(stranger));
    found.iter().flat_map(Surveyed::faults).for_each(|fault| part.fault(fault));
    found.iter().for_each(|account| tell_unusable(account, &mut part));
    homes::examine(config, &found, server, report);
}

fn tell_unusable(account: &Surveyed, part: &mut Part<'_>) {
    if account.is_active && account.password == Some(Denial::UnusablePassword) {
        let name = Shown(account.username.as_bytes());
        part.note(format!("{name} has an unusable password, so that nobody logs in with it"));
    }
}

fn database(config: &Config, path: &Path, server: &Server, part: &mut Part<'_>) {
    let facts = match DjangoDatabase::open_with(path, parts::names(config)).and_then(|database| database.facts()) {
        Ok(facts) => facts,
        Err(why) => return part.fault(why),
    };
    let accounts = if facts.has_ftp_accounts { "with the tables of django-ftpserver" } else { "without FTP accounts" };
    let mode = match facts.journal_mode.as_str() {
        "wal" => ", write-ahead log",
        _ => "",
    };
    let (path_shown, table, size) = (path.display(), &facts.user_table, bytes(facts.size));
    part.ok(format!("{path_shown}: users in {table}, {accounts}; {size}{mode}"));
    // What is written is last_login alone, and in WAL mode what SQLite needs to read.
    let writable = server.can_write(path).and_then(|_| server.can_make_files_in(&directory_of(path)));
    if let Err(why) = writable.map(drop) {
        match facts.journal_mode.as_str() {
            "wal" => part.warning(format!("{why}: with a write-ahead log it can't always be read then")),
            _ if facts.has_ftp_accounts => part.warning(format!("{why}: last_login is not written")),
            _ => {}
        }
    }
}

fn export(path: &Path, part: &mut Part<'_>) {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return part.fault(format!("{}: {error}", path.display())),
    };
    let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let age = SystemTime::now().duration_since(written).unwrap_or_default();
    part.ok(format!("{}: {}, written {} ago", path.display(), bytes(metadata.len()), span(age)));
    if age > OLD {
        part.warning("it is older than a day: does the site still write it?");
    }
}

fn span(age: Duration) -> String {
    let seconds = age.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86400, "day"),
    };
    number(count as usize, unit)
}

/// `12.3 MB`
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{count} {name}") } else { format!("{value:.1} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_rounded() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(bytes(u64::MAX), "18446744.1 TB");
        assert_eq!(span(Duration::from_secs(1)), "1 second");
        assert_eq!(span(Duration::from_secs(150)), "2 minutes");
        assert_eq!(span(Duration::from_secs(400_000)), "4 days");
    }
}
