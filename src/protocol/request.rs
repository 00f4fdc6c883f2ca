//! From a line to a command: what is not well formed is the reply to send.

use super::arguments::{self, split_blank};
use super::command::{
    Command, DataCommand, DigestForm, FileCommand, Login, SecureCommand, SessionCommand, TransferCommand,
};
use super::digest::Algorithm;
use super::path::RawPath;
use super::reply::Reply;
use super::shown::Shown;
use super::verb::{self, Argument, Entry, Verb};

/// A line whose verb is known and whose argument is there or not as it should be; see [`Request::command`].
#[derive(Debug, Clone)]
pub struct Request {
    /// The verb's row.
    pub entry: &'static Entry,
    argument: Vec<u8>,
}

impl Request {
    /// Reads a line up to what can be said without knowing who asks. Without TLS there are no verbs of it.
    pub fn parse(line: &[u8], with_tls: bool) -> Result<Request, Reply> {
        let (mut name, mut argument) = split_blank(line);
        let site;
        if name.eq_ignore_ascii_case(b"SITE") && !argument.is_empty() {
            let (word, rest) = split_blank(argument);
            site = [b"SITE ", word].concat();
            (name, argument) = (&site, rest);
        }
        let entry = verb::find(name, with_tls).or_else(|| urgent(name)).ok_or_else(|| unknown(name))?;
        if argument.iter().any(|byte| matches!(byte, 0 | b'\r')) {
            return Err(Reply::new(501, "NUL and CR are not allowed in a command."));
        }
        match (entry.argument, argument.is_empty()) {
            // An empty argument is none, except that a password may be empty.
            (Argument::Required, true) => Err(Reply::new(501, "Syntax error: command needs an argument.")),
            (Argument::Forbidden, false) => Err(Reply::new(501, "Syntax error: command does not accept arguments.")),
            _ => Ok(Request { entry, argument: argument.to_vec() }),
        }
    }

    /// Whether the line may be obeyed before login.
    pub fn needs_login(&self) -> bool {
        self.entry.login || (self.entry.verb == Verb::Stat && !self.argument.is_empty())
    }

    /// The argument for a log line; a password is never shown.
    pub fn shown_argument(&self) -> Shown<'_> {
        Shown(if self.entry.verb == Verb::Pass { b"******" } else { &self.argument })
    }

    /// The command, or what is wrong with its argument.
    pub fn command(self) -> Result<Command, Reply> {
        let Request { entry, argument } = self;
        let path = || RawPath::new(&argument);
        let text = || (!argument.is_empty()).then(|| argument.clone());
        let file = |command| Ok(Command::File(command));
        let transfer = |command| Ok(Command::Transfer(command));
        let session = |command| Ok(Command::Session(command));
        match entry.verb {
            Verb::User => Ok(Command::Login(Login::User(argument))),
            Verb::Pass => Ok(Command::Login(Login::Pass(argument))),
            Verb::Rein => Ok(Command::Login(Login::Reinitialize)),
            Verb::Quit => Ok(Command::Login(Login::Quit)),

            Verb::Auth => Ok(Command::Secure(arguments::mechanism(&argument))),
            Verb::Pbsz => Ok(Command::Secure(SecureCommand::BufferSize)),
            Verb::Prot => Ok(Command::Secure(arguments::protection(&argument))),
            Verb::Ccc => Ok(Command::Secure(SecureCommand::ClearControl)),

            Verb::Noop => session(SessionCommand::Noop),
            Verb::Clnt => session(SessionCommand::Client),
            Verb::Syst => session(SessionCommand::System),
            Verb::Feat => session(SessionCommand::Features),
            Verb::Help => session(SessionCommand::Help(text())),
            Verb::SiteHelp => session(SessionCommand::SiteHelp(text())),
            Verb::SiteQuota => session(SessionCommand::Quota),
            Verb::SiteIdle => arguments::idle(&argument).map(Command::Session),
            Verb::Opts => arguments::options(&argument).map(Command::Session),
            Verb::Type => arguments::transfer_type(&argument).map(Command::Session),
            Verb::Stru => arguments::structure(&argument).map(Command::Session),
            Verb::Mode => arguments::mode(&argument).map(Command::Session),
            Verb::Allo => arguments::allocate(&argument).map(Command::Session),
            Verb::Rest => arguments::restart(&argument).map(Command::Session),
            Verb::Stat if argument.is_empty() => session(SessionCommand::Status),

            Verb::Pasv => Ok(Command::Data(DataCommand::Passive)),
            Verb::Epsv => arguments::extended_passive(&argument).map(Command::Data),
            Verb::Port => arguments::port(&argument).map(Command::Data),
            Verb::Eprt => arguments::extended_port(&argument).map(Command::Data),
            Verb::Abor => Ok(Command::Data(DataCommand::Abort)),

            Verb::Pwd | Verb::Xpwd => file(FileCommand::PrintDirectory),
            Verb::Cwd | Verb::Xcwd if argument.is_empty() => file(FileCommand::ChangeDirectory(RawPath::new(b"/"))),
            Verb::Cwd | Verb::Xcwd => file(FileCommand::ChangeDirectory(path())),
            Verb::Cdup | Verb::Xcup => file(FileCommand::ChangeUp),
            Verb::List => transfer(TransferCommand::List(path())),
            Verb::Nlst => transfer(TransferCommand::Names(path())),
            Verb::Mlsd => transfer(TransferCommand::MachineList(path())),
            Verb::Mlst => file(FileCommand::MachineFacts(path())),
            Verb::Stat => transfer(TransferCommand::StatusOf(path())),
            Verb::Size => file(FileCommand::Size(path())),
            Verb::Avbl => file(FileCommand::Available(path())),
            Verb::Mdtm => file(arguments::modified(&argument)),
            Verb::Mfmt => arguments::modify(&argument).map(Command::File),
            Verb::SiteUtime => arguments::utime(&argument).map(Command::File),
            Verb::SiteChmod => arguments::chmod(&argument).map(Command::File),
            Verb::SiteUmask => arguments::umask(&argument).map(Command::File),
            Verb::Mkd | Verb::Xmkd => file(FileCommand::MakeDirectory(path())),
            Verb::Rmd | Verb::Xrmd => file(FileCommand::RemoveDirectory(path())),
            Verb::Dele => file(FileCommand::Delete(path())),
            Verb::Rnfr => file(FileCommand::RenameFrom(path())),
            Verb::Rnto => file(FileCommand::RenameTo(path())),
            Verb::Retr => transfer(TransferCommand::Retrieve(path())),
            Verb::Stor => transfer(TransferCommand::Store(path())),
            Verb::Appe => transfer(TransferCommand::Append(path())),
            Verb::Stou => transfer(TransferCommand::StoreUnique(path())),
            Verb::Hash => transfer(TransferCommand::Digest(path(), DigestForm::Chosen)),
            Verb::Xcrc => arguments::digest(&argument, Algorithm::Crc32).map(Command::Transfer),
            Verb::Xmd5 => arguments::digest(&argument, Algorithm::Md5).map(Command::Transfer),
            Verb::Xsha1 => arguments::digest(&argument, Algorithm::Sha1).map(Command::Transfer),
            Verb::Xsha256 => arguments::digest(&argument, Algorithm::Sha256).map(Command::Transfer),
            Verb::Xsha512 => arguments::digest(&argument, Algorithm::Sha512).map(Command::Transfer),
            // SITE with a word is a row of its own.
            Verb::Site => Err(unknown(b"SITE")),
        }
    }
}

/// Old clients send junk of telnet's urgent data in front of these three; no letter may be part of it.
fn urgent(name: &[u8]) -> Option<&'static Entry> {
    let (junk, word) = name.split_at_checked(name.len().checked_sub(4)?)?;
    let known = [b"ABOR", b"STAT", b"QUIT"].iter().any(|verb| verb.eq_ignore_ascii_case(word));
    (known && !junk.iter().any(u8::is_ascii_alphanumeric)).then(|| verb::find(word, false))?
}

fn unknown(name: &[u8]) -> Reply {
    let code = if verb::is_left_out(name) { 502 } else { 500 };
    let what = if code == 502 { "not implemented" } else { "not understood" };
    let shown: Vec<u8> = name.iter().take(32).map(u8::to_ascii_uppercase).collect();
    Reply::new(code, format!("Command \"{}\" {what}.", Shown(&shown)))
}

#[cfg(test)]
mod tests {
    use super::super::command::TransferType;
    use super::super::time;
    use super::*;

    fn parse(line: &str) -> Result<Command, u16> {
        Request::parse(line.as_bytes(), true).and_then(Request::command).map_err(|reply| reply.code())
    }

    fn raw(path: &str) -> RawPath {
        RawPath::new(path.as_bytes())
    }

    #[test]
    fn the_first_blank_separates_and_the_rest_is_the_name() {
        assert_eq!(parse("retr  a b "), Ok(Command::Transfer(TransferCommand::Retrieve(raw(" a b ")))));
        assert_eq!(parse("LIST "), parse("LIST"));
        assert_eq!(parse("REST 3 "), parse("REST 3"));
        assert_eq!(parse("PASS "), Ok(Command::Login(Login::Pass(Vec::new()))));
        assert_eq!(
            parse("SITE CHMOD 644 a b"),
            Ok(Command::File(FileCommand::ChangeMode { mode: 0o644, path: raw("a b") }))
        );
    }

    #[test]
    fn what_is_malformed_has_its_code() {
        for (line, code) in [
            ("XYZZY", 500),
            ("", 500),
            ("SITE EXEC ls", 500),
            ("SITE", 501),
            ("SMNT /x", 502),
            ("RETR", 501),
            ("NOOP x", 501),
            ("USER a\0b", 501),
            ("DELE keep\0x", 501),
            ("DELE a\rb", 501),
            ("TYPE E", 504),
            ("STRU P", 504),
            ("MODE Z", 504),
            ("MODE X", 501),
            ("REST -1", 501),
            ("REST 9223372036854775808", 501),
            ("REST 99999999999999999999999", 501),
            ("ALLO", 501),
            ("ALLO 18446744073709551616", 501),
            ("ALLO x", 501),
            ("PORT 1,2,3", 501),
            ("EPRT |3|x|1|", 501),
            ("EPSV 3", 501),
            ("OPTS XYZ", 501),
            ("OPTS MLST a b", 501),
            ("OPTS MLST type", 501),
            ("MFMT 20260102030405", 501),
            ("MFMT 2026 x", 550),
            ("SITE CHMOD 999 x", 501),
            ("SITE CHMOD 644", 501),
            ("SITE UTIME x y", 501),
            ("SITE UMASK 8", 501),
        ] {
            assert_eq!(parse(line), Err(code), "{line:?}");
        }
    }

    #[test]
    fn what_old_clients_send_is_understood() {
        let binary = Ok(Command::Session(SessionCommand::Type(TransferType::Binary)));
        let ascii = Ok(Command::Session(SessionCommand::Type(TransferType::Ascii)));
        for line in ["TYPE I", "type i", "TYPE L 8"] {
            assert_eq!(parse(line), binary, "{line}");
        }
        for line in ["TYPE A", "TYPE A N", "TYPE a n"] {
            assert_eq!(parse(line), ascii, "{line}");
        }
        for (line, size) in [("ALLO 5", 5), ("ALLO 5 R 3", 5), ("ALLO 18446744073709551615", u64::MAX)] {
            assert_eq!(parse(line), Ok(Command::Session(SessionCommand::Allocate(size))), "{line}");
        }
        let abort = Request::parse(b"\xF2ABOR", true).and_then(Request::command);
        assert_eq!(abort, Ok(Command::Data(DataCommand::Abort)));
        assert_eq!(parse("XABOR"), Err(500));
    }

    #[test]
    fn the_three_ways_to_set_a_time_mean_the_same() {
        let time = time::parse(b"20260102030405").unwrap();
        for line in [
            "MDTM 20260102030405 a b",
            "MFMT 20260102030405 a b",
            "SITE UTIME 20260102030405 a b",
            "SITE UTIME a b 20250101000000 20260102030405 20250101000000 UTC",
        ] {
            let Ok(Command::File(FileCommand::SetModified { time: set, path, .. })) = parse(line) else {
                panic!("{line}");
            };
            assert_eq!((set, path), (time, raw("a b")), "{line}");
        }
        assert_eq!(parse("MDTM a b"), Ok(Command::File(FileCommand::Modified(raw("a b")))));
    }
}
