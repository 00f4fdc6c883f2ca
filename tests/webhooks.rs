//! Web servers that are told of events: what they get, and what becomes of events that they refuse, or can't take.

use crate::support::{Builder, Identity, Signal, TestServer, eventually};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A web server that answers as it is told, and remembers what it got.
struct Web {
    listener: TcpListener,
    seen: Arc<Mutex<Vec<Post>>>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Post {
    head: Vec<String>,
    body: Vec<u8>,
}

impl Post {
    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.iter().find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Web {
    fn bind() -> Web {
        Web { listener: TcpListener::bind("127.0.0.1:0").unwrap(), seen: Arc::default(), tls: None }
    }

    fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/events/", self.listener.local_addr().unwrap().port())
    }

    /// Answers each request with what `answer` makes of it: None hangs up.
    fn serve(&self, answer: impl Fn(usize, &Post) -> Option<&'static str> + Send + 'static) {
        let (listener, seen, tls) = (self.listener.try_clone().unwrap(), self.seen.clone(), self.tls.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Who does not trust it, hangs up in the handshake.
                let _ = match &tls {
                    None => talk(&stream, &seen, &answer),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                        talk(rustls::StreamOwned::new(connection, stream), &seen, &answer)
                    }
                };
            }
        });
    }

    fn posts(&self) -> Vec<Post> {
        self.seen.lock().unwrap().clone()
    }

    /// The numbers of all events that came, in their order.
    fn seqs(&self) -> Vec<u64> {
        self.posts().iter().map(|post| post.json()["seq"].as_u64().unwrap()).collect()
    }
}

fn talk(
    stream: impl Read + Write,
    seen: &Mutex<Vec<Post>>,
    answer: &impl Fn(usize, &Post) -> Option<&'static str>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_string()),
            }
        }
        let mut post = Post { head, body: Vec::new() };
        let length: usize = post.header("content-length").unwrap().parse().unwrap();
        post.body.resize(length, 0);
        stream.read_exact(&mut post.body)?;
        let number = seen.lock().unwrap().len();
        seen.lock().unwrap().push(post.clone());
        let Some(status) = answer(number, &post) else { return Ok(()) };
        let text = if status.starts_with('2') { "" } else { "no, thanks" };
        write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{text}", text.len())?;
        stream.get_mut().flush()?;
    }
}

fn told(web: &Web, keys: &str) -> Builder {
    TestServer::with(&[]).file(&format!("[[webhook]]\nname = \"test\"\nurl = {:?}\n{keys}", web.url()))
}

/// A session with some events.
fn live(server: &TestServer) {
    server.home("ann");
    let mut ann = server.login("ann");
    ann.upload("STOR f", b"content");
    ann.script(&[("DELE f", 250), ("QUIT", 221)]).expect_end();
    server.expect_event("ftp_client_disconnected", &[]);
}

fn state(server: &TestServer, name: &str) -> String {
    fs::read_to_string(server.outside("events.jsonl.followers").join(name)).unwrap_or_default()
}

#[test]
fn each_event_is_posted_in_order_as_the_journal_has_it() {
    let web = Web::bind();
    web.serve(|_, _| Some("204 No Content"));
    let server = told(&web, "secret = \"hush\"").start();
    live(&server);
    let journal = server.stop();
    assert_eq!(web.posts().iter().map(Post::json).collect::<Vec<_>>(), journal);
    for post in web.posts() {
        assert_eq!(post.head[0], "POST /events/ HTTP/1.1");
        assert_eq!(post.header("content-type"), Some("application/json"));
        assert_eq!(post.header("idempotency-key"), Some(&*post.json()["seq"].to_string()));
        let mut hmac = Hmac::<Sha256>::new_from_slice(b"hush").unwrap();
        hmac.update(&post.body);
        let hex: String = hmac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(post.header("x-signature"), Some(&*format!("sha256={hex}")));
    }
}

#[test]
fn many_are_posted_as_lists_and_only_those_that_are_wanted() {
    let web = Web::bind();
    let server = told(&web, "batch = 3\nevents = [\"ftp_login\", \"ftp_file_received\", \"ftp_file_deleted\"]").start();
    live(&server);
    live(&server);
    web.serve(|_, _| Some("200 OK"));
    eventually("all have come", || state(&server, "webhook-test.position").trim().parse::<u64>().unwrap_or(0) >= 9);
    let lists: Vec<Vec<Value>> = web.posts().iter().map(|post| post.json().as_array().unwrap().clone()).collect();
    let events: Vec<&str> = lists.iter().flatten().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["ftp_login", "ftp_file_received", "ftp_file_deleted"].repeat(2));
    assert!(lists.iter().all(|list| (1..=3).contains(&list.len())) && lists.len() < 6, "{lists:?}");
    let post = &web.posts()[0];
    assert_eq!(post.header("x-signature"), None);
    let (first, last) = (&lists[0][0]["seq"], &lists[0].last().unwrap()["seq"]);
    assert_eq!(post.header("idempotency-key"), Some(&*format!("{first}-{last}")));
}

#[test]
fn what_fails_is_posted_again_and_what_is_refused_is_set_aside() {
    let web = Web::bind();
    web.serve(|number, post| match (number, post.json()["event"].as_str().unwrap()) {
        (0, _) => Some("503 Service Unavailable"),
        (1, _) => None,
        (_, "ftp_login") => Some("422 Unprocessable Content"),
        _ => Some("200 OK"),
    });
    let server = told(&web, "tries = 2\nevents = [\"ftp_login\", \"ftp_file_received\"]").start();
    live(&server);
    eventually("the upload has come", || web.posts().iter().any(|post| post.json()["event"] == "ftp_file_received"));
    let aside = state(&server, "webhook-test.aside.jsonl");
    assert_eq!(aside.lines().count(), 1, "{aside}");
    assert!(aside.contains("\"ftp_login\""), "{aside}");
    server.expect_log("answers 422 ");
    let keys: Vec<String> =
        web.posts().iter().map(|post| post.header("idempotency-key").unwrap().to_string()).collect();
    assert!(keys[..4].iter().all(|key| *key == keys[0]), "an event keeps its key: {keys:?}");
}

#[test]
fn an_outage_loses_nothing_also_over_restarts() {
    let web = Web::bind();
    let address = web.listener.local_addr().unwrap();
    let url = web.url();
    drop(web);
    let builder = TestServer::with(&[]);
    let text = format!("[[webhook]]\nname = \"test\"\nurl = {url:?}\n");
    let mut server = builder.file(&text).start();
    live(&server);
    server.expect_log("it is tried again, event 1 is the next");
    server.signal(Signal::KILL);
    server.wait();
    let web = Web { listener: TcpListener::bind(address).unwrap(), seen: Arc::default(), tls: None };
    web.serve(|_, _| Some("200 OK"));
    let (journal, file) = (server.outside("events.jsonl"), server.outside("ftpd.conf"));
    let args = ["--journal", journal.to_str().unwrap(), "--config", file.to_str().unwrap()];
    let _again = TestServer::with(&args).start();
    eventually("all have come", || web.seqs().len() > 7);
    assert_eq!(web.seqs()[..7], [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn one_that_hangs_slows_nobody() {
    let web = Web::bind();
    let held: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let (listener, kept) = (web.listener.try_clone().unwrap(), held.clone());
    std::thread::spawn(move || listener.incoming().for_each(|stream| kept.lock().unwrap().extend(stream.ok())));
    let server = told(&web, "timeout = 60").start();
    server.home("ann");
    let mut ann = server.login("ann");
    eventually("it hangs", || !held.lock().unwrap().is_empty());
    let begin = Instant::now();
    (0..50).for_each(|number| ann.upload(&format!("STOR {number}"), b"content"));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    // Nor does it keep the server from its end for long.
    let begin = Instant::now();
    server.stop();
    assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
}

#[test]
fn over_tls_only_to_whom_the_authorities_vouch_for() {
    let (identity, stranger) = (Identity::server(), Identity::server());
    let mut web = Web::bind();
    web.tls = Some(Arc::new(identity.server_config()));
    web.serve(|_, _| Some("200 OK"));
    for (authority, is_trusted) in [(&identity, true), (&stranger, false)] {
        let builder = TestServer::with(&[]);
        let ca = builder.outside("ca.pem");
        fs::write(&ca, authority.pem()).unwrap();
        let text =
            format!("[[webhook]]\nname = \"test\"\nurl = {:?}\nca = {:?}\n", web.url(), ca.display().to_string());
        let server = builder.file(&text).start();
        match is_trusted {
            true => eventually("it has come", || !web.posts().is_empty()),
            false => server.expect_log("invalid peer certificate"),
        }
        let count = web.posts().len();
        drop(server);
        assert!(is_trusted || web.posts().len() == count);
    }
}

#[test]
fn a_server_that_sends_elsewhere_is_not_followed() {
    let web = Web::bind();
    web.serve(|_, _| Some("302 Found"));
    let server = told(&web, "").start();
    server.expect_log("answers 302 Found");
    assert!(state(&server, "webhook-test.aside.jsonl").is_empty());
}

#[test]
fn faults_are_told_at_the_start() {
    for (keys, why) in [
        ("name = \"a\"\nurl = \"ftp://x/\"", "is not an address such as https://"),
        ("name = \"a\"\nurl = \"https://\"", "is not an address such as https://"),
        ("url = \"http://x/\"", "webhook: has no name"),
        ("name = \"a\"", "webhook: has no url; say where to"),
        ("name = \"a\"\nurl = \"http://127.0.0.1:99999/\"", "webhook-a: url: "),
        ("name = \"a\"\nurl = \"http://:80/\"", "webhook-a: url: "),
        ("name = \"a\"\nurl = \"http://x/\"\nsecret = \"\"", "webhook.secret: "),
        ("name = \"a\"\nurl = \"https://x/\"\nca = \"/nowhere\"", "webhook-a: ca: /nowhere"),
        ("name = \"a\"\nurl = \"http://x/\"\nevents = [\"login\"]", "is not an event such as ftp_login"),
        ("name = \"a\"\nurl = \"http://x/\"\nbatch = 0", "webhook.batch: \"0\" is not a whole number above 0"),
        ("name = \"a\"\nurl = \"http://x/\"\nsecrt = \"x\"", "secrt: no such option; did you mean secret?"),
    ] {
        let (status, said) = TestServer::with(&[]).file(&format!("[[webhook]]\n{keys}\n")).fails();
        assert_eq!(status, 2, "{keys}");
        assert!(said.contains(why), "{keys}: {said}");
    }
}

#[test]
fn check_tells_of_them_and_posts_nothing() {
    let web = Web::bind();
    web.serve(|_, _| Some("200 OK"));
    let check = |keys: &str| {
        let file = std::env::temp_dir().join(format!("django-ftpd-webhook-{}.conf", std::process::id()));
        fs::write(&file, format!("[[webhook]]\nname = \"a\"\nurl = {:?}\n", web.url())).unwrap();
        let args = ["check", "--config", file.to_str().unwrap()];
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_django-ftpd"))
            .args(args)
            .args(keys.split_whitespace())
            .output();
        fs::remove_file(file).unwrap();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let out = check("");
    assert!(out.contains("FAULT   webhook        webhook-a: it follows the journal, and there is none"), "{out}");
    let out = check("--journal /nowhere/events.jsonl");
    assert!(out.contains(&format!("ok      webhook        {}", web.url())), "{out}");
    assert!(web.posts().is_empty());
}
