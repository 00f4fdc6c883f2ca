//! The arguments of commands, read one by one: each function gives a typed command or the reply that says what is wrong.

use super::address::{self, Family, decimal};
use super::command::{
    DataCommand, DigestForm, FileCommand, ProtectionLevel, SecureCommand, SessionCommand, TransferCommand, TransferType,
};
use super::digest::{self, Algorithm};
use super::facts::FactSet;
use super::path::RawPath;
use super::reply::Reply;
use super::shown::Shown;
use super::time;
use super::verb::Verb;

/// The first blank separates; the rest is the argument, blanks and all.
pub(super) fn split_blank(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&b| b == b' ') {
        Some(blank) => (&line[..blank], &line[blank + 1..]),
        None => (line, b""),
    }
}

fn two(argument: &[u8]) -> Result<(&[u8], RawPath), Reply> {
    match split_blank(argument) {
        (_, b"") => Err(Reply::new(501, "Syntax error: command needs two arguments.")),
        (first, path) => Ok((first, RawPath::new(path))),
    }
}

fn number(text: &[u8]) -> Option<u64> {
    decimal(std::str::from_utf8(text).ok()?)
}

fn octal(text: &[u8]) -> Option<u32> {
    let digits = (3..=4).contains(&text.len()) && text.iter().all(|b| (b'0'..=b'7').contains(b));
    digits.then(|| text.iter().fold(0, |mode, digit| mode * 8 + u32::from(digit - b'0')))
}

/// They all mean the same: TLS negotiates its version by itself.
pub(super) fn mechanism(argument: &[u8]) -> SecureCommand {
    let known = ["TLS", "TLS-C", "TLS-P", "SSL"];
    SecureCommand::Authenticate(known.into_iter().find(|name| name.as_bytes().eq_ignore_ascii_case(argument)))
}

pub(super) fn protection(argument: &[u8]) -> SecureCommand {
    SecureCommand::Protect(match argument {
        b"C" | b"c" => ProtectionLevel::Clear,
        b"P" | b"p" => ProtectionLevel::Private,
        b"S" | b"s" | b"E" | b"e" => ProtectionLevel::Other,
        _ => ProtectionLevel::Unknown,
    })
}

pub(super) fn transfer_type(argument: &[u8]) -> Result<SessionCommand, Reply> {
    let name: Vec<u8> = argument.iter().filter(|&&b| b != b' ').map(u8::to_ascii_uppercase).collect();
    match name.as_slice() {
        b"A" | b"AN" | b"L7" => Ok(SessionCommand::Type(TransferType::Ascii)),
        b"I" | b"L8" => Ok(SessionCommand::Type(TransferType::Binary)),
        _ => Err(Reply::new(504, format!("Unsupported type \"{}\".", Shown(argument)))),
    }
}

pub(super) fn structure(argument: &[u8]) -> Result<SessionCommand, Reply> {
    match argument {
        b"F" | b"f" => Ok(SessionCommand::Structure),
        b"P" | b"p" | b"R" | b"r" => Err(Reply::new(504, "Unimplemented STRU type.")),
        _ => Err(Reply::new(501, "Unrecognized STRU type.")),
    }
}

pub(super) fn mode(argument: &[u8]) -> Result<SessionCommand, Reply> {
    match argument {
        b"S" | b"s" => Ok(SessionCommand::Mode),
        b"B" | b"b" | b"C" | b"c" | b"Z" | b"z" => Err(Reply::new(504, "Unimplemented MODE type.")),
        _ => Err(Reply::new(501, "Unrecognized MODE type.")),
    }
}

/// `n`, or `n R m` with a record size.
pub(super) fn allocate(argument: &[u8]) -> Result<SessionCommand, Reply> {
    let words: Vec<&[u8]> = argument.split(|&b| b == b' ').filter(|word| !word.is_empty()).collect();
    let size = match words.as_slice() {
        [size] => number(size),
        [size, b"R" | b"r", record] => number(size).filter(|_| number(record).is_some()),
        _ => None,
    };
    size.map(SessionCommand::Allocate).ok_or_else(|| Reply::new(501, "ALLO takes a number of bytes."))
}

/// An offset that the file system can express.
pub(super) fn restart(argument: &[u8]) -> Result<SessionCommand, Reply> {
    let offset = number(argument).filter(|&offset| i64::try_from(offset).is_ok());
    offset.map(SessionCommand::Restart).ok_or_else(|| Reply::new(501, "Invalid parameter."))
}

pub(super) fn idle(argument: &[u8]) -> Result<SessionCommand, Reply> {
    if argument.is_empty() {
        return Ok(SessionCommand::Idle(None));
    }
    let seconds = number(argument).filter(|&seconds| seconds > 0);
    let seconds = seconds.ok_or_else(|| Reply::new(501, "SITE IDLE takes a number of seconds."))?;
    Ok(SessionCommand::Idle(Some(seconds)))
}

pub(super) fn umask(argument: &[u8]) -> Result<FileCommand, Reply> {
    if argument.is_empty() {
        return Ok(FileCommand::Umask(None));
    }
    let mask = octal(argument).filter(|&mask| mask <= 0o777);
    let mask = mask.ok_or_else(|| Reply::new(501, "SITE UMASK takes three octal digits."))?;
    Ok(FileCommand::Umask(Some(mask)))
}

pub(super) fn options(argument: &[u8]) -> Result<SessionCommand, Reply> {
    let (name, value) = split_blank(argument);
    let invalid = |text: &str| Err(Reply::new(501, text));
    if value.contains(&b' ') {
        return invalid("Invalid number of arguments.");
    }
    match name.to_ascii_uppercase().as_slice() {
        b"UTF8" | b"UTF-8" => Ok(SessionCommand::Utf8),
        b"MLST" if value.is_empty() || value.contains(&b';') => {
            Ok(SessionCommand::Facts(FactSet::parse(&String::from_utf8_lossy(value))))
        }
        b"MLST" => invalid("Invalid argument."),
        b"HASH" if value.is_empty() => Ok(SessionCommand::Digest(None)),
        b"HASH" => match Algorithm::named(value) {
            Some(algorithm) => Ok(SessionCommand::Digest(Some(algorithm))),
            None => invalid(&format!("Unknown algorithm \"{}\".", Shown(value))),
        },
        _ => invalid(&format!("Unsupported command \"{}\".", Shown(name))),
    }
}

pub(super) fn extended_passive(argument: &[u8]) -> Result<DataCommand, Reply> {
    match argument {
        b"" => Ok(DataCommand::ExtendedPassive(None)),
        b"1" => Ok(DataCommand::ExtendedPassive(Some(Family::V4))),
        b"2" => Ok(DataCommand::ExtendedPassive(Some(Family::V6))),
        all if all.eq_ignore_ascii_case(b"ALL") => Ok(DataCommand::OnlyExtendedPassive),
        _ => Err(Reply::new(501, "Unknown network protocol (use 1 or 2).")),
    }
}

pub(super) fn port(argument: &[u8]) -> Result<DataCommand, Reply> {
    let address = address::parse_port(argument).ok_or_else(|| Reply::new(501, "Invalid PORT format."))?;
    Ok(DataCommand::Active(address.into()))
}

pub(super) fn extended_port(argument: &[u8]) -> Result<DataCommand, Reply> {
    match address::parse_eprt(argument) {
        Some(Ok(address)) => Ok(DataCommand::ExtendedActive(address)),
        Some(Err(_)) => Err(Reply::new(501, "Unknown network protocol (use 1 or 2).")),
        None => Err(Reply::new(501, "Invalid EPRT format.")),
    }
}

/// `MDTM path` asks, `MDTM YYYYMMDDHHMMSS path` sets.
pub(super) fn modified(argument: &[u8]) -> FileCommand {
    match split_blank(argument) {
        (first, path) if !path.is_empty() => match time::parse(first) {
            Some(time) => FileCommand::SetModified { time, path: RawPath::new(path), verb: Verb::Mdtm },
            None => FileCommand::Modified(RawPath::new(argument)),
        },
        _ => FileCommand::Modified(RawPath::new(argument)),
    }
}

pub(super) fn modify(argument: &[u8]) -> Result<FileCommand, Reply> {
    let (text, path) = two(argument)?;
    let time = time::parse(text).ok_or_else(|| Reply::new(550, "Invalid time format; expected: YYYYMMDDHHMMSS."))?;
    Ok(FileCommand::SetModified { time, path, verb: Verb::Mfmt })
}

/// `SITE UTIME YYYYMMDDhhmm[ss] path`, or ncftp's `SITE UTIME path atime mtime ctime UTC`.
pub(super) fn utime(argument: &[u8]) -> Result<FileCommand, Reply> {
    let (first, rest) = two(argument)?;
    let set = |time, path: &[u8]| FileCommand::SetModified { time, path: RawPath::new(path), verb: Verb::SiteUtime };
    if let Some(time) = time::parse_short(first) {
        return Ok(set(time, rest.as_bytes()));
    }
    let mut words = argument.rsplitn(5, |&b| b == b' ');
    let zone = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"UTC"));
    let (_changed, modified, _accessed) = (words.next(), words.next(), words.next());
    match (zone, modified.and_then(time::parse_short), words.next()) {
        (true, Some(time), Some(path)) if !path.is_empty() => Ok(set(time, path)),
        _ => Err(Reply::new(501, "Invalid time format; expected: SITE UTIME YYYYMMDDHHMMSS path.")),
    }
}

/// `XMD5 path`, or `XMD5 "path" [start [end]]`.
pub(super) fn digest(argument: &[u8], algorithm: Algorithm) -> Result<TransferCommand, Reply> {
    let (path, part) = digest::part(argument)
        .ok_or_else(|| Reply::new(501, "Syntax error: a part is a path in quotes, a start and an end."))?;
    Ok(TransferCommand::Digest(path, DigestForm::Of(algorithm, part)))
}

pub(super) fn chmod(argument: &[u8]) -> Result<FileCommand, Reply> {
    let (text, path) = two(argument)?;
    let mode = octal(text).ok_or_else(|| Reply::new(501, "Invalid SITE CHMOD format."))?;
    Ok(FileCommand::ChangeMode { mode, path })
}
