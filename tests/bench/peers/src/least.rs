//! The least that an FTP server can do, which any other is measured by: no accounts, no checks, no log, a thread for each client,
//! and for each command the calls of the kernel that none can do without.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use socket2::SockRef;

use crate::bare;

/// Little files come in one piece.
const ROOM: usize = 16 << 10;
/// Of a listing, so much is sent at once.
const PIECE: usize = 32 << 10;
/// What waits in the kernel for its turn on the wire.
const MOST_UNSENT: u32 = 256 << 10;

/// Obeys the first line, and those behind it.
pub fn served(mut line: String, mut stream: &TcpStream, root: &Path) -> io::Result<()> {
    let mut lines = BufReader::with_capacity(512, stream);
    let (mut listener, mut directory) = (None, root.to_owned());
    while !line.is_empty() {
        let (command, argument) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        let path = directory.join(argument);
        match command {
            "USER" => stream.write_all(b"331 \r\n")?,
            "CWD" => {
                directory = path;
                stream.write_all(b"250 \r\n")?;
            }
            "PASV" => {
                let port = listener.insert(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?).local_addr()?.port();
                stream.write_all(format!("227 (127,0,0,1,{},{})\r\n", port >> 8, port & 255).as_bytes())?;
            }
            "STOR" | "RETR" | "LIST" | "MLSD" => {
                let (data, _) = listener.take().ok_or(ErrorKind::NotConnected)?.accept()?;
                match command {
                    "STOR" => {
                        let mut file = File::create(path)?;
                        stream.write_all(b"150 \r\n")?;
                        bare::copied(&mut &data, &mut file, ROOM)?;
                    }
                    "RETR" => {
                        let file = File::open(path)?;
                        stream.write_all(b"150 \r\n")?;
                        if rustix::fs::sendfile(&data, &file, None, ROOM)? == ROOM {
                            SockRef::from(&data).set_tcp_notsent_lowat(MOST_UNSENT)?;
                            bare::sent(&file, &data)?;
                        }
                    }
                    _ => {
                        stream.write_all(b"150 \r\n")?;
                        listed(&path, &data)?;
                    }
                }
                drop(data);
                stream.write_all(b"226 \r\n")?;
            }
            _ => stream.write_all(b"200 \r\n")?,
        }
        line.clear();
        lines.read_line(&mut line)?;
    }
    Ok(())
}

fn listed(directory: &Path, data: &TcpStream) -> io::Result<()> {
    let mut lines = BufWriter::with_capacity(PIECE, data);
    for entry in directory.read_dir()? {
        let entry = entry?;
        let facts = entry.metadata()?;
        let (mode, size, modified) = (facts.mode(), facts.size(), facts.mtime());
        let (owner, group) = (facts.uid(), facts.gid());
        writeln!(lines, "{mode:o} 1 {owner} {group} {size} {modified} {}\r", entry.file_name().display())?;
    }
    lines.flush()
}
