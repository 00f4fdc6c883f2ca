//! A server process with a scratch directory: the site's database, the homes, the journal.

use super::homes::{Files, Homes, of_this_test};
use super::{Client, Identity, Tls, eventually};
use rusqlite::Connection;
use rustix::process::Pid;
pub use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// A server that runs. It is killed, and all its files are removed, when it is dropped.
pub struct TestServer {
    child: Child,
    address: SocketAddr,
    homes: Arc<dyn Homes>,
    scratch: Scratch,
    log: Arc<Mutex<String>>,
}

/// A server to be started.
pub struct Builder {
    /// The option that says where the accounts are.
    accounts: Option<(&'static str, PathBuf)>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    host: String,
    homes: Arc<dyn Homes>,
    scratch: Scratch,
    before: Option<String>,
    has_journal: bool,
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl TestServer {
    /// A server with the options that most tests want: a short delay after failed logins, no ban.
    pub fn start() -> TestServer {
        TestServer::with(&[]).start()
    }

    /// The same with more options; later ones win.
    pub fn with(args: &[&str]) -> Builder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("django-ftpd-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let scratch = Scratch(std::env::temp_dir().join(name));
        std::fs::create_dir_all(scratch.0.join("homes")).unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/site.sqlite3");
        let database = scratch.0.join("site.sqlite3");
        std::fs::copy(fixture, &database).unwrap();
        std::fs::set_permissions(&database, PermissionsExt::from_mode(0o644)).unwrap();
        let builder = Builder {
            accounts: Some(("--database", database)),
            args: ["--auth-failed-timeout", "0.05", "--ban-failures", "0"].map(String::from).to_vec(),
            env: Vec::new(),
            host: "127.0.0.1".to_string(),
            homes: of_this_test(&scratch.0.join("homes")),
            scratch,
            before: None,
            has_journal: true,
        };
        let homes = builder.homes.base().to_string();
        let site = builder.site();
        let home = |text: &str| text.replace("/nonexistent", &homes);
        site.execute("UPDATE django_ftpserver_ftpusergroup SET home_dir = ?1", [home("/nonexistent/{username}")])
            .unwrap();
        site.execute("UPDATE django_ftpserver_ftpusergroup SET home_dir = NULL WHERE name = 'plain'", []).unwrap();
        site.execute(
            "UPDATE django_ftpserver_ftpuseraccount SET home_dir = replace(home_dir, '/nonexistent', ?1)",
            [&homes],
        )
        .unwrap();
        builder.file_of_the_store().args(args)
    }

    /// A server with a certificate, in the files `cert.pem` and `key.pem` beside the homes.
    pub fn with_tls(args: &[&str]) -> Builder {
        let builder = TestServer::with(&[]);
        let (certfile, keyfile) = (builder.outside("cert.pem"), builder.outside("key.pem"));
        Identity::server().save(&certfile, &keyfile);
        let files = ["--certfile", certfile.to_str().unwrap(), "--keyfile", keyfile.to_str().unwrap()];
        builder.args(&files).args(args)
    }

    /// A connected client that has heard the greeting.
    pub fn client(&self) -> Client {
        let mut client = Client::connect(self.address);
        client.expect(220);
        client
    }

    /// A client that has logged in, in TYPE I; every password of the fixture is `NAME-secret`.
    pub fn login(&self, name: &str) -> Client {
        let mut client = self.client();
        client.send(&format!("USER {name}")).expect(331);
        client.send(&format!("PASS {name}-secret")).expect(230);
        client.send("TYPE I").expect(200);
        client
    }

    /// A login with any password, and how it is answered.
    pub fn try_login(&self, name: &str, password: &str) -> (Client, u16) {
        let mut client = self.client();
        client.send(&format!("USER {name}")).expect(331);
        let code = client.code(&format!("PASS {password}"));
        (client, code)
    }

    /// The same in TLS, with PROT P.
    pub fn login_in_tls(&self, name: &str, tls: &Tls) -> Client {
        let mut client = self.client();
        client.auth_tls(tls).script(&[(&format!("USER {name}"), 331), (&format!("PASS {name}-secret"), 230)]);
        client.protect(tls).send("TYPE I").expect(200);
        client
    }

    /// Where TLS comes before the greeting.
    pub fn implicit_address(&self) -> SocketAddr {
        let log = self.log();
        let line = log.lines().find_map(|line| line.split_once("implicit TLS is on ")).unwrap();
        line.1.parse().unwrap()
    }

    /// A client there, which has heard the greeting.
    pub fn implicit_client(&self, tls: &Tls) -> Client {
        let mut client = Client::connect(self.implicit_address());
        client.shake_hands(tls).unwrap();
        client.data_in(Some(tls)).expect(220);
        client
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directory that is the home of a user, for tests that need a disk; made if it isn't there.
    pub fn home(&self, name: &str) -> PathBuf {
        let home = self.scratch.0.join("homes").join(name);
        // Where homes are elsewhere, nothing is to be found here.
        if self.homes.args().is_empty() {
            std::fs::create_dir_all(&home).unwrap();
        }
        home
    }

    /// What is in the home of a user, wherever it is.
    pub fn files(&self, name: &str) -> Files {
        Files::new(&self.homes, name)
    }

    /// A file or directory beside the homes, which no client may reach.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.scratch.0.join(name)
    }

    /// Django's side of the database.
    pub fn site(&self) -> Connection {
        Connection::open(self.scratch.0.join("site.sqlite3")).unwrap()
    }

    pub fn database(&self) -> PathBuf {
        self.scratch.0.join("site.sqlite3")
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log has a text.
    #[track_caller]
    pub fn expect_log(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), || self.log().contains(text));
    }

    /// The journal's events so far.
    pub fn events(&self) -> Vec<Value> {
        let text = std::fs::read(self.scratch.0.join("events.jsonl")).unwrap();
        text.split_inclusive(|&b| b == b'\n')
            .filter(|line| line.ends_with(b"\n"))
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// Waits for the first event of this kind that has all these fields, given as `("username", "ann")`.
    #[track_caller]
    pub fn expect_event(&self, kind: &str, fields: &[(&str, &str)]) -> Value {
        let matches = |event: &Value| {
            event["event"] == kind && fields.iter().all(|(key, value)| event[key].as_str() == Some(*value))
        };
        eventually(&format!("{kind} {fields:?}"), || self.events().iter().any(matches));
        self.events().into_iter().find(matches).unwrap()
    }

    /// How many files, sockets and threads the process has.
    pub fn resources(&self) -> (usize, usize) {
        let count = |what| std::fs::read_dir(format!("/proc/{}/{what}", self.pid())).map_or(0, |dir| dir.count());
        (count("fd"), count("task"))
    }

    /// How many of its threads have this name.
    pub fn threads(&self, name: &str) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        // One may end meanwhile.
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|found| found.trim_end() == name).count()
    }

    /// The helper that starts its programs: its only child.
    pub fn helper(&self) -> u32 {
        let children = children(self.pid());
        assert_eq!(children.len(), 1, "{children:?}");
        children[0]
    }

    /// The programs that run.
    pub fn programs(&self) -> Vec<u32> {
        children(self.helper())
    }

    /// Whether the last login of somebody is written in the site's database.
    pub fn has_last_login(&self, username: &str) -> bool {
        let sql = "SELECT a.last_login IS NOT NULL FROM django_ftpserver_ftpuseraccount a JOIN auth_user u ON u.id = a.user_id \
                   WHERE u.username = ?1";
        self.site().query_row(sql, [username], |row| row.get(0)).unwrap_or(false)
    }

    /// Whether it has as much as then, but for the few connections that the accounts keep to the database.
    pub fn holds_no_more_than(&self, before: (usize, usize)) -> bool {
        const KEPT: usize = 8;
        let (files, threads) = self.resources();
        files <= before.0 + KEPT && threads <= before.1
    }

    pub fn signal(&self, signal: Signal) {
        signal_process(&self.child, signal);
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// SIGTERM, and the journal of the whole life.
    pub fn stop(mut self) -> Vec<Value> {
        self.signal(Signal::TERM);
        assert!(self.wait().success(), "{}", self.log());
        self.events()
    }
}

/// What all threads of a process have started and not buried.
fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let of_task = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    let text: Vec<String> = tasks.map(|task| of_task(task.unwrap())).collect();
    text.iter().flat_map(|text| text.split_whitespace()).map(|pid| pid.parse().unwrap()).collect()
}

/// Sends a signal to a process of ours.
pub fn signal_process(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

impl Builder {
    pub fn args(mut self, args: &[&str]) -> Builder {
        self.args.extend(args.iter().map(|arg| arg.to_string()));
        self
    }

    /// With these options alone.
    pub fn only_args(mut self, args: &[&str]) -> Builder {
        self.args = args.iter().map(|arg| arg.to_string()).collect();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Builder {
        self.env.push((name.to_string(), value.to_string()));
        self
    }

    /// Listens on another address than 127.0.0.1.
    pub fn host(mut self, host: &str) -> Builder {
        self.host = host.to_string();
        self
    }

    /// Serves the users of this file instead of those of the database.
    pub fn export(mut self, path: PathBuf) -> Builder {
        self.accounts = Some(("--export", path));
        self
    }

    /// Runs the server through a shell command such as `ulimit -n 40`.
    pub fn after(mut self, shell: &str) -> Builder {
        self.before = Some(shell.to_string());
        self
    }

    /// With the database of another site that real Django made: `custom` or `bare`; see tests/fixtures/make-shapes.
    pub fn shape(self, name: &str) -> Builder {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.sqlite3"));
        std::fs::copy(fixture, self.scratch.0.join("site.sqlite3")).unwrap();
        self
    }

    /// With a file of options.
    pub fn file(self, text: &str) -> Builder {
        let file = self.outside("ftpd.conf");
        std::fs::write(&file, format!("{text}{}", self.homes.section())).unwrap();
        self.args(&["--config", file.to_str().unwrap()])
    }

    /// With what there is to say of homes that are in a store.
    fn file_of_the_store(self) -> Builder {
        let args = self.homes.args().to_vec();
        if args.is_empty() { self } else { self.args(&args).file("") }
    }

    /// Homes below the scratch directory, for who has none otherwise.
    pub fn homes_by_option(self) -> Builder {
        let template = format!("{}/{{username}}", self.homes.base());
        self.args(&["--home", &template])
    }

    /// Without the site's database.
    pub fn without_site(mut self) -> Builder {
        self.accounts = None;
        self
    }

    /// Without a journal.
    pub fn without_journal(mut self) -> Builder {
        self.has_journal = false;
        self
    }

    /// Where homes are.
    pub fn homes_anywhere(&self) -> &Arc<dyn Homes> {
        &self.homes
    }

    /// The directory that holds the homes; exists already.
    pub fn homes(&self) -> PathBuf {
        self.scratch.0.join("homes")
    }

    /// Django's side of the database, before the server has seen it.
    pub fn site(&self) -> Connection {
        Connection::open(self.scratch.0.join("site.sqlite3")).unwrap()
    }

    /// A path beside the homes.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.scratch.0.join(name)
    }

    pub fn start(self) -> TestServer {
        // It listens before, but its threads are there only now.
        self.start_and_find(|_, log| {
            let line = log.lines().find(|line| line.contains(STARTED))?;
            line.split(STARTED).nth(1)?.trim().parse().ok()
        })
    }

    /// The same for one that does not tell on standard error, in lines for people, where it listens: its journal does.
    pub fn start_quietly(self) -> TestServer {
        self.start_and_find(|journal, _| started(journal))
    }

    fn start_and_find(self, listening: impl Fn(&Path, &str) -> Option<SocketAddr>) -> TestServer {
        let homes = self.homes.clone();
        let (mut child, scratch) = self.spawn();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut address = None;
        eventually("the server listens", || {
            address = listening(&scratch.0.join("events.jsonl"), &log.lock().unwrap());
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {}", log.lock().unwrap());
            address.is_some()
        });
        TestServer { child, address: address.unwrap(), homes, scratch, log }
    }

    /// Starts a server that is expected to end at once; its exit status and what it said.
    pub fn fails(self) -> (i32, String) {
        let (mut child, _scratch) = self.spawn();
        eventually("the server ends", || child.try_wait().unwrap().is_some());
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn spawn(self) -> (Child, Scratch) {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        (command.spawn().unwrap(), self.scratch)
    }

    /// What starts it.
    pub fn command(&self) -> Command {
        let binary = env!("CARGO_BIN_EXE_django-ftpd");
        let mut command = Command::new("sh");
        let before = self.before.as_ref().map(|before| format!("{before}; ")).unwrap_or_default();
        command.args(["-c", &format!("{before}exec \"$0\" \"$@\""), binary, "serve"]);
        if let Some((option, path)) = &self.accounts {
            command.arg(option).arg(path);
        }
        if self.has_journal {
            command.arg("--journal").arg(self.scratch.0.join("events.jsonl"));
        }
        command.args(&self.args).arg(format!("{}:0", self.host));
        // What events are called elsewhere is of interest to one test alone.
        command.env("RUST_LOG", "debug,django_ftpserver=info").envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// What is in the log before the address when it serves.
const STARTED: &str = "ftp_server_started address=";

/// Where a server listens, as its journal has it.
pub fn started(journal: &Path) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(journal).ok()?;
    let mut events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let event = events.find(|event| event["event"] == "ftp_server_started")?;
    let (host, port) = (event["host"].as_str()?, event["port"].as_u64()?);
    Some(SocketAddr::new(host.parse().ok()?, port.try_into().ok()?))
}

/// A server, and ann in TLS, whose home has a file `f`.
pub fn ann_in(tls: &Tls, args: &[&str]) -> (TestServer, Client) {
    let server = TestServer::with_tls(args).start();
    server.files("ann").write("f", "content");
    let ann = server.login_in_tls("ann", tls);
    (server, ann)
}
