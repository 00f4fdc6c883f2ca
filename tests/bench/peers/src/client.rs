//! A client of FTP: as much of it as the scenarios need.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::Result;
use crate::connection::{Connection, MUCH, connect};
use crate::options::Options;

/// Where to log in, and as whom.
pub struct Account {
    pub address: SocketAddr,
    pub user: String,
    pub password: String,
    pub tls: Option<Arc<ClientConfig>>,
}

impl Account {
    pub fn of(options: &Options) -> Result<Self> {
        Ok(Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, options.port)),
            user: options.user.clone(),
            password: options.password.clone(),
            tls: options.certificate.as_deref().map(crate::connection::trusting).transpose()?,
        })
    }
}

pub struct Client<'a> {
    account: &'a Account,
    control: BufReader<Connection>,
    /// Where what is downloaded goes: nobody looks at it.
    room: Vec<u8>,
}

impl<'a> Client<'a> {
    /// Connects and logs in, for binary transfers; in TLS, for protected ones.
    pub fn login(account: &'a Account) -> Result<Self> {
        let mut client = Self::connected(account)?;
        client.says(&format!("USER {}", account.user), '3')?;
        client.says(&format!("PASS {}", account.password), '2')?;
        if account.tls.is_some() {
            client.says("PBSZ 0", '2')?;
            client.says("PROT P", '2')?;
        }
        client.says("TYPE I", '2')?;
        Ok(client)
    }

    fn connected(account: &'a Account) -> Result<Self> {
        let stream = connect(account.address)?;
        let Some(tls) = &account.tls else { return Self::greeted(account, Connection::Plain(stream)) };
        let plain = stream.try_clone().map_err(|error| error.to_string())?;
        Self::greeted(account, Connection::Plain(plain))?.says("AUTH TLS", '2')?;
        let control = Connection::secured(stream, tls, 4096)?;
        Ok(Self { account, control: BufReader::with_capacity(1024, control), room: Vec::new() })
    }

    fn greeted(account: &'a Account, connection: Connection) -> Result<Self> {
        let mut client = Self { account, control: BufReader::with_capacity(1024, connection), room: Vec::new() };
        client.hears('2')?;
        Ok(client)
    }

    /// Sends a command, whose reply has to begin with this digit.
    pub fn says(&mut self, line: &str, digit: char) -> Result<String> {
        let control = self.control.get_mut();
        let sent = control.write_all(format!("{line}\r\n").as_bytes()).and_then(|()| control.flush());
        sent.map_err(|error| error.to_string())
            .and_then(|()| self.hears(digit))
            .map_err(|error| format!("{line}: {error}"))
    }

    /// The last line of the next reply.
    fn hears(&mut self, digit: char) -> Result<String> {
        let mut code = None;
        loop {
            let mut line = String::new();
            match self.control.read_line(&mut line) {
                Ok(0) => return Err("it has hung up".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
            let first = code.get_or_insert_with(|| line.get(..3).unwrap_or_default().to_owned());
            if line.strip_prefix(first.as_str()).is_some_and(|rest| rest.starts_with(' ')) {
                return if line.starts_with(digit) { Ok(line) } else { Err(line.trim_end().to_owned()) };
            }
        }
    }

    pub fn download(&mut self, path: &str) -> Result<u64> {
        self.received(&format!("RETR {path}"))
    }

    /// The bytes that come after such a command, `RETR` or `LIST`.
    pub fn received(&mut self, command: &str) -> Result<u64> {
        let mut data = self.opened(command)?;
        let length = data.discard(&mut self.room)?;
        data.finish();
        drop(data);
        self.hears('2')?;
        Ok(length)
    }

    pub fn upload(&mut self, path: &str, piece: &[u8], total: u64) -> Result<()> {
        let mut data = self.opened(&format!("STOR {path}"))?;
        data.send(piece, total)?;
        if self.account.tls.is_some() {
            // What the server still says in TLS is heard, or closing would be a reset; it may have hung up.
            let _ = data.discard(&mut self.room);
        }
        drop(data);
        self.hears('2')?;
        Ok(())
    }

    fn opened(&mut self, command: &str) -> Result<Connection> {
        let stream = self.passive()?;
        self.says(command, '1')?;
        match &self.account.tls {
            Some(tls) => Connection::secured(stream, tls, MUCH),
            None => Ok(Connection::Plain(stream)),
        }
    }

    fn passive(&mut self) -> Result<TcpStream> {
        let reply = self.says("PASV", '2')?;
        let numbers = reply.rsplit('(').next().unwrap_or_default().split(|letter: char| !letter.is_ascii_digit());
        match numbers.filter_map(|number| number.parse::<u16>().ok()).collect::<Vec<_>>()[..] {
            [_, _, _, _, high, low] => connect(SocketAddr::from((Ipv4Addr::LOCALHOST, high << 8 | low))),
            _ => Err(format!("PASV: {}", reply.trim_end())),
        }
    }

    /// Leaves; a server that has gone before is left, too.
    pub fn quit(mut self) {
        let _ = self.says("QUIT", '2');
    }
}
