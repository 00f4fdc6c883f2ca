//! The one table of verbs: who may use them before login, whether they take an argument, what HELP says.

use Argument::{Forbidden, Optional, Required};

/// Whether a verb takes an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Without one: 501.
    Required,
    /// With or without.
    Optional,
    /// With one: 501.
    Forbidden,
}

/// A row of the table.
#[derive(Debug)]
pub struct Entry {
    /// Which verb it is.
    pub verb: Verb,
    /// As it is written, upper case; those of SITE with the word in front.
    pub name: &'static str,
    /// Whether it needs a login.
    pub login: bool,
    /// Whether it takes an argument.
    pub argument: Argument,
    /// What HELP says.
    pub help: &'static str,
}

macro_rules! verbs {
    ($($verb:ident $name:literal $login:ident $argument:ident $help:literal)*) => {
        /// Every verb that the server knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the table's help text is their documentation")]
        pub enum Verb { $($verb),* }

        /// Sorted by name.
        pub const TABLE: &[Entry] = &[$(Entry {
            verb: Verb::$verb, name: $name, login: verbs!(@$login), argument: $argument, help: $help,
        }),*];
    };
    (@login) => { true };
    (@anyone) => { false };
}

verbs! {
    Abor "ABOR" login Forbidden "ABOR (abort transfer)."
    Allo "ALLO" login Required "ALLO <SP> bytes (noop; allocate storage)."
    Appe "APPE" login Required "APPE <SP> file-name (append data to file)."
    Auth "AUTH" anyone Required "AUTH <SP> TLS|SSL (set up secure control channel)."
    Avbl "AVBL" login Optional "AVBL [<SP> path] (free space in bytes)."
    Ccc "CCC" anyone Forbidden "CCC (refused; the control channel stays protected)."
    Cdup "CDUP" login Forbidden "CDUP (go to parent directory)."
    Clnt "CLNT" anyone Optional "CLNT <SP> name (noop; name of the client)."
    Cwd "CWD" login Optional "CWD [<SP> dir-name] (change working directory)."
    Dele "DELE" login Required "DELE <SP> file-name (delete file)."
    Eprt "EPRT" login Required "EPRT <SP> |proto|ip|port| (extended active mode)."
    Epsv "EPSV" login Optional "EPSV [<SP> proto/\"ALL\"] (extended passive mode)."
    Feat "FEAT" anyone Forbidden "FEAT (list all new features supported)."
    Hash "HASH" login Required "HASH <SP> file-name (digest of a file; OPTS HASH chooses which)."
    Help "HELP" anyone Optional "HELP [<SP> cmd] (show help)."
    List "LIST" login Optional "LIST [<SP> path] (list files)."
    Mdtm "MDTM" login Required "MDTM [<SP> timeval] <SP> path (show or set the last modification time)."
    Mfmt "MFMT" login Required "MFMT <SP> timeval <SP> path (file update last modification time)."
    Mkd "MKD" login Required "MKD <SP> path (create directory)."
    Mlsd "MLSD" login Optional "MLSD [<SP> path] (list directory)."
    Mlst "MLST" login Optional "MLST [<SP> path] (show information about path)."
    Mode "MODE" login Required "MODE <SP> mode (noop; set data transfer mode)."
    Nlst "NLST" login Optional "NLST [<SP> path] (list path in a compact form)."
    Noop "NOOP" anyone Forbidden "NOOP (just do nothing)."
    Opts "OPTS" anyone Required "OPTS <SP> cmd [<SP> option] (set option for command)."
    Pass "PASS" anyone Optional "PASS [<SP> password] (set user password)."
    Pasv "PASV" login Forbidden "PASV (open passive data connection)."
    Pbsz "PBSZ" anyone Required "PBSZ <SP> 0 (negotiate TLS buffer)."
    Port "PORT" login Required "PORT <SP> h,h,h,h,p,p (open active data connection)."
    Prot "PROT" anyone Required "PROT <SP> [C|P] (set up un/secure data channel)."
    Pwd "PWD" login Forbidden "PWD (get current working directory)."
    Quit "QUIT" anyone Forbidden "QUIT (quit current session)."
    Rein "REIN" login Forbidden "REIN (flush account)."
    Rest "REST" login Required "REST <SP> offset (set file offset)."
    Retr "RETR" login Required "RETR <SP> file-name (retrieve a file)."
    Rmd "RMD" login Required "RMD <SP> dir-name (remove directory)."
    Rnfr "RNFR" login Required "RNFR <SP> file-name (rename (source name))."
    Rnto "RNTO" login Required "RNTO <SP> file-name (rename (destination name))."
    Site "SITE" anyone Required "SITE <SP> site-command (execute SITE command)."
    SiteChmod "SITE CHMOD" login Required "SITE CHMOD <SP> mode path (change file mode)."
    SiteHelp "SITE HELP" anyone Optional "SITE HELP [<SP> cmd] (show SITE command help)."
    SiteIdle "SITE IDLE" login Optional "SITE IDLE [<SP> seconds] (show or shorten the idle timeout)."
    SiteQuota "SITE QUOTA" login Forbidden "SITE QUOTA (show the quota)."
    SiteUmask "SITE UMASK" login Optional "SITE UMASK [<SP> mask] (show or set the mask of new files)."
    SiteUtime "SITE UTIME" login Required "SITE UTIME <SP> timeval path (set the last modification time)."
    Size "SIZE" login Required "SIZE <SP> file-name (get file size)."
    Stat "STAT" anyone Optional "STAT [<SP> path name] (server stats [list files])."
    Stor "STOR" login Required "STOR <SP> file-name (store a file)."
    Stou "STOU" login Optional "STOU [<SP> name] (store a file with a unique name)."
    Stru "STRU" login Required "STRU <SP> type (noop; set file structure)."
    Syst "SYST" anyone Forbidden "SYST (get operating system type)."
    Type "TYPE" login Required "TYPE <SP> [A | I] (set transfer type)."
    User "USER" anyone Required "USER <SP> user-name (set username)."
    Xcrc "XCRC" login Required "XCRC <SP> file-name (CRC-32 of a file)."
    Xcup "XCUP" login Forbidden "XCUP (obsolete; go to parent directory)."
    Xcwd "XCWD" login Optional "XCWD [<SP> dir-name] (obsolete; change directory)."
    Xmd5 "XMD5" login Required "XMD5 <SP> file-name (MD5 of a file)."
    Xmkd "XMKD" login Required "XMKD <SP> dir-name (obsolete; create directory)."
    Xpwd "XPWD" login Forbidden "XPWD (obsolete; get current dir)."
    Xrmd "XRMD" login Required "XRMD <SP> dir-name (obsolete; remove directory)."
    Xsha1 "XSHA1" login Required "XSHA1 <SP> file-name (SHA-1 of a file)."
    Xsha256 "XSHA256" login Required "XSHA256 <SP> file-name (SHA-256 of a file)."
    Xsha512 "XSHA512" login Required "XSHA512 <SP> file-name (SHA-512 of a file)."
}

/// The row of a verb, in any case. Without TLS there are no verbs of it.
pub fn find(name: &[u8], with_tls: bool) -> Option<&'static Entry> {
    let upper = name.to_ascii_uppercase();
    let found = TABLE.binary_search_by(|entry| entry.name.as_bytes().cmp(&upper)).ok()?;
    TABLE.get(found).filter(|entry| with_tls || !entry.verb.is_of_tls())
}

impl Verb {
    /// Whether there is no such verb where there is no TLS.
    pub fn is_of_tls(self) -> bool {
        matches!(self, Verb::Auth | Verb::Pbsz | Verb::Prot)
    }
}

/// Verbs of the RFCs that are left out on purpose: 502, not 500.
pub fn is_left_out(name: &[u8]) -> bool {
    const LEFT_OUT: [&[u8]; 5] = [b"ACCT", b"SMNT", b"MIC", b"CONF", b"ENC"];
    LEFT_OUT.iter().any(|verb| verb.eq_ignore_ascii_case(name))
}

/// Whether a line is the first of an HTTP request.
pub fn is_http(line: &[u8]) -> bool {
    let name = line.split(|&b| b == b' ').next().unwrap_or_default();
    const HTTP: [&[u8]; 9] = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"CONNECT", b"TRACE"];
    HTTP.iter().any(|verb| verb.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_each_row_is_found() {
        for entry in TABLE {
            let found = find(entry.name.to_lowercase().as_bytes(), true).map(|found| found.verb);
            assert_eq!(found, Some(entry.verb), "{}", entry.name);
            assert!(entry.help.starts_with(entry.name), "{}", entry.name);
        }
        assert!(find(b"XYZZY", true).is_none() && find(b"", true).is_none());
    }
}
