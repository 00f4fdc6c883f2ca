//! The kinds of load, each with its figures.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::bare;
use crate::client::{Account, Client};
use crate::options::Options;
use crate::processes;
use crate::together::{at_once, quantile};
use crate::{Figures, Result};

/// A server has done by then what it does after a login, or a logout.
const REST: Duration = Duration::from_millis(500);
/// A greeting that has not come by then does not count.
const GREETING: Duration = Duration::from_secs(10);
/// Nobody moves small files for longer, each way: some would take minutes.
const LONG_ENOUGH: Duration = Duration::from_secs(8);
const SMALL: usize = 4 << 10;

pub fn run(options: &Options) -> Result<Figures> {
    match options.scenario.as_str() {
        "bare" => bare::serve(options),
        "start" => start(options),
        "download" | "upload" => transfers(options),
        "small" => small(options),
        "login" => logins(options),
        "idle" => idle(options),
        "list" | "mlsd" => listings(options),
        "crowd" => crowd(options),
        "burst" => burst(options),
        unknown => Err(format!("{unknown:?} is no scenario")),
    }
}

/// What a server takes that nobody has logged in to.
fn start(options: &Options) -> Result<Figures> {
    sleep(REST);
    Ok(vec![("memory_kib", processes::kibibytes(options.pid))])
}

/// One after the other; the median of each figure.
fn transfers(options: &Options) -> Result<Figures> {
    let account = Account::of(options)?;
    let mut transfer = Transfer::by(&account, options)?;
    let (mut rates, mut cpus) = (Vec::new(), Vec::new());
    for _ in 0..options.times {
        // Freeing the memory of the last file is no part of the next upload.
        transfer.prepare()?;
        let (cpu, began) = (processes::cpu(options.pid), Instant::now());
        transfer.run()?;
        rates.push((options.mib << 20) as f64 / 1e6 / began.elapsed().as_secs_f64());
        cpus.push((processes::cpu(options.pid) - cpu) / (options.mib as f64 / 1024.0));
    }
    Ok(vec![("mb_s", quantile(&mut rates, 0.5)), ("cpu_s", quantile(&mut cpus, 0.5))])
}

struct Transfer<'a> {
    peer: Peer<'a>,
    options: &'a Options,
    is_upload: bool,
    piece: Vec<u8>,
    is_there: bool,
}

enum Peer<'a> {
    Ftp(Client<'a>),
    Bare(bare::Client<'a>),
}

impl<'a> Transfer<'a> {
    fn by(account: &'a Account, options: &'a Options) -> Result<Self> {
        let peer = match options.is_bare {
            true => Peer::Bare(bare::Client::new(account)),
            false => Peer::Ftp(Client::login(account)?),
        };
        let piece = (0..1 << 20).map(|index: usize| (index * 7 + index / 251) as u8).collect();
        Ok(Self { peer, options, is_upload: options.scenario == "upload", piece, is_there: false })
    }

    fn prepare(&mut self) -> Result<()> {
        if self.is_upload && self.is_there {
            match &mut self.peer {
                Peer::Ftp(client) => drop(client.says(&format!("DELE {}", self.options.file), '2')?),
                Peer::Bare(client) => client.delete(&self.options.file)?,
            }
        }
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        let (name, total) = (self.options.file.as_str(), self.options.mib << 20);
        let received = match (&mut self.peer, self.is_upload) {
            (Peer::Ftp(client), true) => client.upload(name, &self.piece, total).map(|()| total),
            (Peer::Ftp(client), false) => client.download(name),
            (Peer::Bare(client), true) => client.upload(name, &self.piece, total).map(|()| total),
            (Peer::Bare(client), false) => client.download(name),
        }?;
        self.is_there = true;
        complete(received, total)
    }
}

fn complete(received: u64, total: u64) -> Result<()> {
    if received == total { Ok(()) } else { Err(format!("{received} bytes of {total}")) }
}

/// Files of 4 KiB, up, and then down.
fn small(options: &Options) -> Result<Figures> {
    let account = Account::of(options)?;
    let mut clients = logged_in(&account, options.sessions)?;
    let while_time = |work: &mut dyn FnMut(usize) -> Result<()>| {
        let (began, mut done) = (Instant::now(), 0);
        while done < options.times && began.elapsed() < LONG_ENOUGH {
            work(done)?;
            done += 1;
        }
        Ok(done)
    };
    let path = |number: usize, file: usize| format!("small/{number}-{file}");
    let (stored, up) = at_once(&mut clients, |number, client, _| {
        while_time(&mut |file| client.upload(&path(number, file), &[b'x'; SMALL], SMALL as u64))
    })?;
    let (fetched, down) = at_once(&mut clients, |number, client, _| {
        while_time(&mut |file| complete(client.download(&path(number, file % stored[number]))?, SMALL as u64))
    })?;
    clients.into_iter().for_each(Client::quit);
    let a_second = |files: Vec<usize>, seconds: f64| files.iter().sum::<usize>() as f64 / seconds;
    Ok(vec![("up_s", a_second(stored.clone(), up)), ("down_s", a_second(fetched, down))])
}

/// One by one: a burst is a scenario of its own.
fn logged_in(account: &Account, sessions: usize) -> Result<Vec<Client<'_>>> {
    (0..sessions).map(|_| Client::login(account)).collect()
}

/// By somebody who has logged in before.
fn logins(options: &Options) -> Result<Figures> {
    let account = Account::of(options)?;
    Client::login(&account)?.quit();
    let (_, seconds) = at_once(&mut vec![(); options.sessions], |_, (), _| {
        (0..options.times).try_for_each(|_| Client::login(&account).map(Client::quit))
    })?;
    Ok(vec![("logins_s", (options.sessions * options.times) as f64 / seconds)])
}

/// Sessions that do nothing, and answer nevertheless.
fn idle(options: &Options) -> Result<Figures> {
    let account = Account::of(options)?;
    Client::login(&account)?.quit();
    sleep(REST);
    let before = processes::kibibytes(options.pid);
    let mut clients = logged_in(&account, options.sessions)?;
    sleep(REST);
    let each = (processes::kibibytes(options.pid) - before) / options.sessions as f64;
    clients.iter_mut().try_for_each(|client| client.says("NOOP", '2').map(drop))?;
    clients.into_iter().for_each(Client::quit);
    Ok(vec![("each_kib", each)])
}

fn listings(options: &Options) -> Result<Figures> {
    let account = Account::of(options)?;
    let mut client = Client::login(&account)?;
    client.says(&format!("CWD {}", options.file), '2')?;
    let mut times = Vec::new();
    for _ in 0..options.times {
        let began = Instant::now();
        if client.received(&options.scenario.to_uppercase())? == 0 {
            return Err("the listing is empty".to_owned());
        }
        times.push(milliseconds(began));
    }
    client.quit();
    Ok(vec![("ms", quantile(&mut times, 0.5))])
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// Many download at once. A download is counted from the end of the client's last one, the first from the common start: a
/// client that waits for a processor waits, too.
fn crowd(options: &Options) -> Result<Figures> {
    let account = Account::of(options)?;
    let mut clients = logged_in(&account, options.sessions)?;
    let total = options.mib << 20;
    let (times, seconds) = at_once(&mut clients, |_, client, mut began| {
        let mut download = || {
            complete(client.download(&options.file)?, total)?;
            let time = milliseconds(began);
            began = Instant::now();
            Ok(time)
        };
        (0..options.times).map(|_| download()).collect::<Result<Vec<f64>>>()
    })?;
    clients.into_iter().for_each(Client::quit);
    let mut times = times.concat();
    let rate = times.len() as f64 * total as f64 / 1e6 / seconds;
    Ok(vec![("mb_s", rate), ("half_ms", quantile(&mut times, 0.5)), ("most_ms", quantile(&mut times, 0.99))])
}

/// All connect at once and wait for the greeting: a server whose queue is short lets them wait for seconds. How long it took is
/// a figure only where everybody was greeted.
fn burst(options: &Options) -> Result<Figures> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let mut clients: Vec<Option<TcpStream>> = (0..options.sessions).map(|_| None).collect();
    let (times, _) = at_once(&mut clients, |_, client, _| {
        let began = Instant::now();
        let Ok(stream) = TcpStream::connect_timeout(&address, GREETING) else { return Ok(None) };
        stream.set_read_timeout(Some(GREETING)).map_err(|error| error.to_string())?;
        let is_greeted = client.insert(stream).read(&mut [0; 512]).is_ok_and(|length| length > 0);
        Ok(is_greeted.then(|| milliseconds(began)))
    })?;
    let mut times: Vec<f64> = times.into_iter().flatten().collect();
    let greeted = ("greeted", times.len() as f64);
    Ok(if times.len() < options.sessions {
        vec![greeted]
    } else {
        vec![greeted, ("most_ms", quantile(&mut times, 0.99))]
    })
}
