//! What any server is measured by: a sender and receiver of files with no FTP around it, with sendfile(2) and splice(2), or
//! with rustls. A client says one line, `download NAME`, `upload NAME` or `delete NAME`, and the connection is the file. Who
//! says something else is served by the least of FTP servers.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::pipe::SpliceFlags;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::client::Account;
use crate::connection::{Connection, MUCH, connect};
use crate::options::Options;
use crate::{Figures, Result, least};

/// So much goes through a pipe at once.
const PIPE: usize = 1 << 20;
const QUEUE: i32 = 4096;
const GREETING: &[u8; 6] = b"220 \r\n";
/// As much as sendfile(2) takes at once.
const MOST: usize = 0x7fff_f000;

/// Serves until it is killed.
pub fn serve(options: &Options) -> Result<Figures> {
    let tls = options.certificate.as_deref().map(|certificate| server_config(certificate, &options.key)).transpose()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).map_err(|error| error.to_string())?;
    // std lets few wait, and of many who connect at once the others would try again after a second.
    rustix::net::listen(&listener, QUEUE).map_err(|error| error.to_string())?;
    for stream in listener.incoming() {
        let (stream, root, tls) = (stream.map_err(|error| error.to_string())?, options.root.clone(), tls.clone());
        thread::spawn(move || served(stream, &root, tls));
    }
    Ok(Figures::new())
}

fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_file(certificate).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| error.to_string())?;
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let versions = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let config = versions.with_no_client_auth().with_single_cert(vec![certificate], key);
    Ok(Arc::new(config.map_err(|error| error.to_string())?))
}

fn served(mut stream: TcpStream, root: &Path, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(GREETING)?;
    let mut line = String::new();
    // Not one byte more than the line: what follows is the file.
    BufReader::with_capacity(1, &stream).read_line(&mut line)?;
    let Some((command, name)) = line.trim_end().split_once(' ') else { return least::served(line, &stream, root) };
    let path = root.join(name);
    match (command, tls) {
        ("download", None) => sent(&File::open(path)?, &stream)?,
        ("download", Some(tls)) => downloaded(&path, secured(&stream, tls)?)?,
        ("upload", None) => spliced(&stream, &File::create(path)?)?,
        ("upload", Some(tls)) => uploaded(&path, secured(&stream, tls)?)?,
        ("delete", _) => std::fs::remove_file(path).or_else(unless_missing)?,
        _ => return least::served(line, &stream, root),
    }
    stream.shutdown(Shutdown::Write)
}

/// All of it, by sendfile(2).
pub fn sent(file: &File, stream: &TcpStream) -> io::Result<()> {
    while rustix::fs::sendfile(stream, file, None, MOST)? > 0 {}
    Ok(())
}

fn unless_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn secured(stream: &TcpStream, tls: Arc<ServerConfig>) -> io::Result<StreamOwned<ServerConnection, &TcpStream>> {
    let mut connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    connection.set_buffer_limit(Some(1 << 20));
    Ok(StreamOwned::new(connection, stream))
}

fn downloaded(path: &Path, mut stream: StreamOwned<ServerConnection, &TcpStream>) -> io::Result<()> {
    copied(&mut File::open(path)?, &mut stream, MUCH)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn uploaded(path: &Path, mut stream: StreamOwned<ServerConnection, &TcpStream>) -> io::Result<()> {
    copied(&mut stream, &mut File::create(path)?, MUCH)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// All of it, in pieces of at most so much.
pub fn copied(from: &mut impl Read, to: &mut impl Write, most: usize) -> io::Result<()> {
    let mut room = vec![0; most];
    loop {
        match from.read(&mut room)? {
            0 => return Ok(()),
            length => to.write_all(&room[..length])?,
        }
    }
}

fn spliced(stream: &TcpStream, file: &File) -> io::Result<()> {
    let (reader, writer) = rustix::pipe::pipe()?;
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE)?;
    loop {
        let mut waiting = rustix::pipe::splice(stream, None, &writer, None, PIPE, SpliceFlags::MOVE)?;
        if waiting == 0 {
            return Ok(());
        }
        while waiting > 0 {
            waiting -= rustix::pipe::splice(&reader, None, file, None, waiting, SpliceFlags::MOVE)?;
        }
    }
}

/// A client of it.
pub struct Client<'a> {
    account: &'a Account,
    room: Vec<u8>,
}

impl<'a> Client<'a> {
    pub fn new(account: &'a Account) -> Self {
        Self { account, room: Vec::new() }
    }

    pub fn download(&mut self, name: &str) -> Result<u64> {
        self.opened("download", name)?.discard(&mut self.room)
    }

    pub fn upload(&mut self, name: &str, piece: &[u8], total: u64) -> Result<()> {
        let mut data = self.opened("upload", name)?;
        data.send(piece, total)?;
        data.discard(&mut self.room).map(drop)
    }

    pub fn delete(&mut self, name: &str) -> Result<()> {
        Connection::Plain(self.asked("delete", name)?).discard(&mut self.room).map(drop)
    }

    fn opened(&self, command: &str, name: &str) -> Result<Connection> {
        let stream = self.asked(command, name)?;
        match &self.account.tls {
            Some(tls) => Connection::secured(stream, tls, MUCH),
            None => Ok(Connection::Plain(stream)),
        }
    }

    fn asked(&self, command: &str, name: &str) -> Result<TcpStream> {
        let mut stream = connect(self.account.address)?;
        let asked = stream
            .read_exact(&mut [0; GREETING.len()])
            .and_then(|()| stream.write_all(format!("{command} {name}\n").as_bytes()));
        asked.map_err(|error| format!("{command}: {error}"))?;
        Ok(stream)
    }
}
