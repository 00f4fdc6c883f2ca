"""A host of its own for each check: a directory with a database, an account, a home, and servers that end with it."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path

from check import CHECKS, Failure, expect, one_line

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
# Of a server that starts, of one that stops with nobody on, and of any tool.
START_SECONDS = 20
STOP_SECONDS = 20
TOOL_SECONDS = 240


class Host:
    """`ann` with the password `ann-secret`; where the server is shut up in the directory, its paths begin there."""

    def __init__(self, binary, directory):
        self.binary = binary
        self.directory = directory
        self.processes = []
        self.figures = []
        self.is_shut_up = False
        self.port = free_port()

    def note(self, figure):
        """For the line of the check."""
        self.figures.append(figure)

    def shut_up(self):
        """The directory is all there is for the server: the binary and what it needs, no /proc, /dev or /etc."""
        self.is_shut_up = True
        (self.directory / "django-ftpd").write_bytes(self.binary.read_bytes())
        (self.directory / "django-ftpd").chmod(0o755)
        return self

    def inner(self, name):
        """What the server calls a file of the directory."""
        return f"/{name}" if self.is_shut_up else str(self.directory / name)

    def path(self, name):
        return self.directory / name

    def command(self, *words, user=None):
        """The words that run the program."""
        words = [str(word) for word in words]
        if self.is_shut_up:
            who = [f"--userspec={user}"] if user else []
            return ["chroot", *who, str(self.directory), "/django-ftpd", *words]
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return [*who, str(self.binary), *words]

    @cached_property
    def home(self):
        """Ann's home; with it come the database and her account, made by the program itself."""
        home = self.path("home/ann")
        home.mkdir(parents=True)
        self.manage("group", "create", "staff", self.inner("home/{username}"))
        self.add_user("ann")
        return home

    def add_user(self, name):
        self.manage("user", "create", name, "--password-stdin", stdin=f"{name}-secret\n")
        self.manage("account", "create", name, "staff")

    def manage(self, *words, stdin=""):
        run(*self.command(*words, "--database", self.inner("site.sqlite3")), stdin=stdin)

    def configure(self, **options):
        """Writes the configuration: what every check needs, and the options."""
        defaults = {"address": f"127.0.0.1:{self.port}", "database": self.inner("site.sqlite3")}
        defaults |= {"journal": self.inner("events.jsonl"), "auth_failed_timeout": 0}
        lines = [f"{name} = {text(value)}\n" for name, value in (defaults | options).items()]
        lines.append('[group."staff"]\npermission = "elradfmwMT"\n')
        self.path("django-ftpd.conf").write_text("".join(lines))
        return self.inner("django-ftpd.conf")

    def own(self, uid):
        """Everything belongs to a user who is nobody here."""
        for path in [self.directory, *self.directory.rglob("*")]:
            os.chown(path, uid, uid)

    def serve(self, *words, user=None, **options):
        """A server that has greeted."""
        self.home
        self.configure(**options)
        if user:
            self.own(int(user.split(":")[0]))
        return self.start(self.command("serve", "--config", self.inner("django-ftpd.conf"), *words, user=user))

    def start(self, command, log="server.log", greets=True, **how):
        """A process that ends with the check at the latest; with `greets`, it has greeted."""
        with self.path(log).open("ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **how)
        self.processes.append(process)
        if greets:
            self.wait_until_it_greets(process)
        return process

    def wait_until_it_greets(self, process=None):
        """How long that took, in seconds."""
        began = time.monotonic()
        while time.monotonic() < began + START_SECONDS:
            if greeting(self.port):
                return time.monotonic() - began
            if process and process.poll() is not None:
                raise Failure(f"{process.args[0]} ended with {process.returncode}: {self.last_log()}")
            time.sleep(0.0005)
        raise Failure(f"there is no server on port {self.port}: {self.last_log()}")

    def last_log(self):
        logs = [path for path in (self.path("server.log"), self.path("supervisor.out")) if path.exists()]
        return one_line("\n".join(path.read_text(errors="replace")[-600:] for path in logs))

    def curl(self, *words, ok=(0,), login="ann:ann-secret", path=""):
        """What curl prints."""
        url = f"ftp://{login}@127.0.0.1:{self.port}/{path}"
        return run("curl", "--silent", "--show-error", "--max-time", "60", *words, url, ok=ok)

    def stop(self, process, signum=signal.SIGTERM):
        """The exit status."""
        process.send_signal(signum)
        return ended(process)

    def leave(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def ended(process):
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failure(f"it still runs after {STOP_SECONDS} s")


def run(*words, stdin="", ok=(0,), seconds=TOOL_SECONDS, **how):
    """Runs a tool; its output, both kinds."""
    words = [str(word) for word in words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    # In a session of its own, so that what it has started can be ended with it.
    tool = subprocess.Popen(words, **pipes, text=True, errors="replace", start_new_session=True, **how)
    try:
        output, _ = tool.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(tool.pid, signal.SIGKILL)
        tool.communicate()
        raise Failure(f"{' '.join(words)[:200]} hung for {seconds} s")
    if tool.returncode not in ok:
        raise Failure(f"{' '.join(words)[:200]} ended with {tool.returncode}: {output[-600:]}")
    return output


def text(value):
    """A value of the configuration."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else f'"{value}"'


def greeting(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            if not connection.recv(100).startswith(b"220"):
                return False
            connection.sendall(b"QUIT\r\n")
            connection.recv(100)
            return True
    except OSError:
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def adapted(source, target, changes):
    """A copy of a file with some texts changed, each of which has to be there."""
    content = source.read_text()
    for old, new in changes.items():
        expect(old in content, f"{source.name} does not have {old!r} any more")
        content = content.replace(old, str(new))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


def try_all(subject, words, host_in):
    """Every check that has one of the words in its name, or every one; whether none failed."""
    checks = [check for check in CHECKS if not words or any(word in check.name for word in words)]
    passed = failed = 0
    for check in checks:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"django-ftpd-{subject}-") as directory:
            os.chmod(directory, 0o755)
            host = host_in(Path(directory))
            try:
                why = check.run(lambda _: host)
            finally:
                host.leave()
        notes = "; ".join([*host.figures, f"{time.monotonic() - began:.1f} s"])
        if why is None:
            passed += 1
            print(f"ok {check.name} ({notes})", flush=True)
        else:
            failed += 1
            print(f"FAIL {check.name}: {why} ({notes})", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed == 0 and passed > 0
