//! `django-ftpd demo`: a server to try, with a database, a user, a home and a certificate that vanish when it stops.

use super::{Failure, logging, serve};
use crate::accounts::schema::{Database, Email, GroupName, Home, Letters, NewUser, StoredPassword, Username};
use crate::config::{Config, HostPort};
use crate::process::sandbox::Access;
use base64ct::{Base64, Encoding};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A hash that takes no time: everybody knows this password.
const ITERATIONS: u32 = 1000;

pub(super) fn defaults() -> Config {
    Config { address: HostPort { host: "127.0.0.1".into(), port: 2121 }, ..Config::default() }
}

pub(super) fn run(mut config: Config) -> Result<(), Failure> {
    let not_for_demo = [
        (config.database.is_some() || config.export.is_some(), "demo has its own database; use serve for your users"),
        (config.daemonize, "daemonize: demo stays in the foreground, and ends with its terminal; use serve"),
        (config.file_access_user.is_some(), "file_access_user: demo is for who starts it; use serve"),
    ];
    if let Some((_, why)) = not_for_demo.iter().find(|(is_asked, _)| *is_asked) {
        return Err(Failure::Configuration(why.to_string()));
    }
    logging::start(&config, false, None)?;
    let place = Place::new().map_err(|error| Failure::Runtime(format!("no place for the demo: {error}")))?;
    config.database = Some(place.database());
    if config.certfile.is_none() {
        config.certfile = Some(place.certificate());
        config.tls = config.tls.or(Some(false));
    }
    let certificate = config.certfile.clone().unwrap_or_default();
    let opened = serve::open(config, None, &place.to_be_removed())?;
    let address = opened.server.address();
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    };
    let url = std::net::SocketAddr::new(host, address.port());
    super::say(&format!(
        "An FTP server to try is at {address}: user demo, password demo. Paste this:\n\n  \
         curl ftp://demo:demo@{url}/hello.txt\n\n\
         The same in TLS:\n\n  \
         curl --ssl-reqd --cacert {} ftp://demo:demo@{url}/hello.txt\n\n\
         Its files are in {}, and are removed when it stops (Ctrl-C).\n",
        certificate.display(),
        place.home().display()
    ));
    if !address.ip().is_loopback() {
        log::warn!("everybody who reaches {address} can log in: the password is known");
    }
    opened.serve(None, None)
}

/// A fresh directory that nobody else can enter; removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> io::Result<Place> {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name = format!("django-ftpd-demo-{:016x}", u64::from_ne_bytes(random));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        let place = Place(path); // ours from here
        std::fs::create_dir_all(place.home().join("pictures"))?;
        std::fs::write(place.home().join("hello.txt"), "Hello from django-ftpd. It works.\n")?;
        std::fs::write(place.home().join("pictures/README.txt"), "Upload something here.\n")?;
        let home = path_text(&place.home())?;
        make_accounts(&place.database(), &home).map_err(io::Error::other)?;
        let mut certificate = OpenOptions::new().write(true).create_new(true).mode(0o600).open(place.certificate())?;
        certificate.write_all(self_signed()?.as_bytes())?;
        Ok(place)
    }

    fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    /// What it takes to remove it: all that is in it, and its own name where that is.
    fn to_be_removed(&self) -> [(PathBuf, Access); 2] {
        [(self.0.clone(), Access::Home), (std::env::temp_dir(), Access::RemoveDirectories)]
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("certificate.pem")
    }

    fn database(&self) -> PathBuf {
        self.0.join("db.sqlite3")
    }
}

/// A database with one user in one group.
fn make_accounts(database: &Path, home: &str) -> Result<(), String> {
    let username = Username::parse("demo")?;
    let password = StoredPassword::hashed_with(b"demo", ITERATIONS).map_err(|error| error.to_string())?;
    let user = NewUser { username: &username, password: &password, email: &Email::default(), is_superuser: false };
    let (group, home) = (GroupName::parse("ftp")?, Home::parse(&home.replace('{', "{{").replace('}', "}}"))?);
    Database::open_or_make(database)?.change(|tables| {
        tables.create_user(&user)?;
        tables.create_group(&group, &Letters::default(), None)?;
        tables.create_account(username.as_str(), group.as_str(), Some(&home)).map(drop)
    })
}

/// A certificate for this host's own names, and its key; only who is given it trusts it.
fn self_signed() -> io::Result<String> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
    Ok(pem("CERTIFICATE", made.cert.der()) + &pem("PRIVATE KEY", &made.signing_key.serialize_der()))
}

fn pem(what: &str, der: &[u8]) -> String {
    // 48 bytes make a line of 64 characters.
    let lines: String = der.chunks(48).map(|line| Base64::encode_string(line) + "\n").collect();
    format!("-----BEGIN {what}-----\n{lines}-----END {what}-----\n")
}

fn path_text(path: &Path) -> io::Result<String> {
    path.to_str().map(str::to_string).ok_or_else(|| io::Error::other("the temporary directory's name is not UTF-8"))
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            log::warn!("{} can't be removed: {error}", self.0.display());
        }
    }
}
