//! Commands as typed values: one that exists is well formed.

use super::address::Family;
use super::digest::Algorithm;
use super::facts::FactSet;
use super::path::RawPath;
use super::permission::Permission;
use super::verb::Verb;
use jiff::Timestamp;
use std::net::SocketAddr;
use std::ops::Range;

/// What to do, grouped by who can do it.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Who is it?
    Login(Login),
    /// What travels in TLS.
    Secure(SecureCommand),
    /// Questions and settings that touch no file.
    Session(SessionCommand),
    /// The next data connection.
    Data(DataCommand),
    /// What needs a home: only a session that is logged in has one.
    File(FileCommand),
    /// What needs a home and a data connection, or as much time as one.
    Transfer(TransferCommand),
}

/// Who is it?
#[derive(Debug, Clone, PartialEq)]
pub enum Login {
    /// USER.
    User(Vec<u8>),
    /// PASS.
    Pass(Vec<u8>),
    /// REIN.
    Reinitialize,
    /// QUIT.
    Quit,
}

/// What travels in TLS (RFC 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecureCommand {
    /// AUTH, with one of the names of TLS if it is one.
    Authenticate(Option<&'static str>),
    /// PBSZ; the number means nothing in TLS.
    BufferSize,
    /// PROT.
    Protect(ProtectionLevel),
    /// CCC.
    ClearControl,
}

/// How data connections are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtectionLevel {
    /// C.
    Clear,
    /// P.
    Private,
    /// S and E, which TLS does not have.
    Other,
    /// What no RFC knows.
    Unknown,
}

/// Questions and settings that touch no file.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionCommand {
    /// NOOP.
    Noop,
    /// CLNT.
    Client,
    /// SYST.
    System,
    /// FEAT.
    Features,
    /// STAT without a path.
    Status,
    /// HELP.
    Help(Option<Vec<u8>>),
    /// SITE HELP.
    SiteHelp(Option<Vec<u8>>),
    /// SITE IDLE.
    Idle(Option<u64>),
    /// SITE QUOTA.
    Quota,
    /// OPTS UTF8.
    Utf8,
    /// OPTS MLST.
    Facts(FactSet),
    /// OPTS HASH, with another algorithm or without.
    Digest(Option<Algorithm>),
    /// TYPE: whether it is ASCII.
    Type(TransferType),
    /// STRU F.
    Structure,
    /// MODE S.
    Mode,
    /// ALLO: so many bytes.
    Allocate(u64),
    /// REST.
    Restart(u64),
}

/// The two representations there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferType {
    /// TYPE A.
    Ascii,
    /// TYPE I.
    Binary,
}

/// The next data connection.
#[derive(Debug, Clone, PartialEq)]
pub enum DataCommand {
    /// PASV.
    Passive,
    /// EPSV, perhaps with a protocol.
    ExtendedPassive(Option<Family>),
    /// EPSV ALL.
    OnlyExtendedPassive,
    /// PORT.
    Active(SocketAddr),
    /// EPRT.
    ExtendedActive(SocketAddr),
    /// ABOR.
    Abort,
}

/// What needs a home.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is named after what it does; paths are the command's argument")]
pub enum FileCommand {
    PrintDirectory,
    ChangeDirectory(RawPath),
    ChangeUp,
    MachineFacts(RawPath),
    Size(RawPath),
    Modified(RawPath),
    SetModified { time: Timestamp, path: RawPath, verb: Verb },
    ChangeMode { mode: u32, path: RawPath },
    Umask(Option<u32>),
    Available(RawPath),
    MakeDirectory(RawPath),
    RemoveDirectory(RawPath),
    Delete(RawPath),
    RenameFrom(RawPath),
    RenameTo(RawPath),
}

/// What needs a home and a data connection, or as much time as one.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is named after what it does; the path is the command's argument, flags and all")]
pub enum TransferCommand {
    List(RawPath),
    Names(RawPath),
    MachineList(RawPath),
    StatusOf(RawPath),
    Retrieve(RawPath),
    Store(RawPath),
    Append(RawPath),
    StoreUnique(RawPath),
    Digest(RawPath, DigestForm),
}

/// What a digest is made of, and how.
#[derive(Debug, Clone, PartialEq)]
pub enum DigestForm {
    /// HASH: the whole file, by what OPTS HASH has chosen.
    Chosen,
    /// XCRC and its like: a part of the file, by what the verb names.
    Of(Algorithm, Range<u64>),
}

impl Command {
    /// The permission table: what an account needs for each command. (STOR after REST needs `a` besides.)
    pub fn permission(&self) -> Option<Permission> {
        use FileCommand::*;
        use TransferCommand::*;
        match self {
            Command::Login(_) | Command::Secure(_) | Command::Session(_) | Command::Data(_) => None,
            Command::File(command) => match command {
                PrintDirectory | Umask(None) => None,
                Available(path) if path.is_empty() => None,
                ChangeDirectory(_) | ChangeUp => Some(Permission::Enter),
                MachineFacts(_) | Size(_) | Modified(_) | Available(_) => Some(Permission::List),
                Delete(_) | RemoveDirectory(_) => Some(Permission::Delete),
                RenameFrom(_) | RenameTo(_) => Some(Permission::Rename),
                MakeDirectory(_) => Some(Permission::MakeDirectory),
                ChangeMode { .. } | Umask(Some(_)) => Some(Permission::ChangeMode),
                SetModified { .. } => Some(Permission::ChangeTime),
            },
            Command::Transfer(command) => match command {
                List(_) | Names(_) | MachineList(_) | StatusOf(_) => Some(Permission::List),
                Retrieve(_) | Digest(..) => Some(Permission::Read),
                Append(_) => Some(Permission::Append),
                Store(_) | StoreUnique(_) => Some(Permission::Write),
            },
        }
    }
}
