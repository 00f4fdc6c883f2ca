"""How each server is started: for one account, on one port, with no limits that the load would meet."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from places import CERTIFICATE, DEBIAN, KEY, LOAD, PASSWORD, PYTHON, REPOSITORY, TARGET, UNFTP, USER

# Not for the servers in Python, which copy the whole list for each transfer.
PORTS = (21000, 31999)
CHEAP = 1
# What Django 5.2 does by default.
SLOW = 1_000_000
START = 20


class Place(NamedTuple):
    """What a server has to be told."""

    port: int
    root: Path
    is_tls: bool
    rounds: int
    binary: str

    def if_tls(self, *words):
        return list(map(str, words)) if self.is_tls else []


def limit(place):
    tls = place.if_tls("--certificate", CERTIFICATE, "--key", KEY)
    return [LOAD, "bare", "--port", str(place.port), "--root", place.root, *tls]


def django_ftpd(place):
    _, database = site(place)
    tls = place.if_tls("--certfile", CERTIFICATE, "--keyfile", KEY)
    unlimited = ["--max-cons", "0", "--max-cons-per-ip", "0", "--timeout", "3600", "--log-level", "warn"]
    return [place.binary, "serve", "--database", database, *unlimited, *tls, f"127.0.0.1:{place.port}"]


def vsftpd(place):
    empty = TARGET / "empty"
    empty.mkdir(exist_ok=True)
    tls = f"""ssl_enable=YES
rsa_cert_file={CERTIFICATE}
rsa_private_key_file={KEY}
require_ssl_reuse=NO
ssl_ciphers=HIGH
"""
    configuration = f"""background=NO
listen=YES
listen_address=127.0.0.1
listen_port={place.port}
anonymous_enable=NO
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
pam_service_name={USER}
secure_chroot_dir={empty}
xferlog_enable=NO
max_clients=0
max_per_ip=0
idle_session_timeout=3600
pasv_min_port={PORTS[0]}
pasv_max_port={PORTS[1]}
{tls if place.is_tls else ""}"""
    return [DEBIAN / "usr/sbin/vsftpd", written("vsftpd.conf", configuration)]


def proftpd(place):
    tls = f"""LoadModule mod_tls.c
TLSEngine on
TLSProtocol TLSv1.2 TLSv1.3
TLSRSACertificateFile {CERTIFICATE}
TLSRSACertificateKeyFile {KEY}
TLSOptions NoSessionReuseRequired
TLSRequired off
"""
    configuration = f"""ModulePath {DEBIAN}/usr/lib/proftpd
ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port {place.port}
User nobody
Group nogroup
MaxInstances none
UseReverseDNS off
RequireValidShell off
AuthOrder mod_auth_unix.c
DefaultRoot ~
AllowOverwrite on
TimeoutIdle 3600
TimeoutNoTransfer 0
TimeoutLogin 0
PassivePorts {PORTS[0]} {PORTS[1]}
WtmpLog off
UseLastlog off
TransferLog none
SystemLog none
PidFile {TARGET}/proftpd.pid
ScoreboardFile {TARGET}/proftpd.scoreboard
DelayTable {TARGET}/proftpd.delay
<IfModule mod_delay.c>
  DelayEngine off
</IfModule>
{tls if place.is_tls else ""}"""
    return [DEBIAN / "usr/sbin/proftpd", "-n", "-c", written("proftpd.conf", configuration)]


def pure_ftpd(place):
    of_unix = ["-4", "-S", f"127.0.0.1,{place.port}", "-l", "unix", "-A", "-H", "-E", "-u", "1", "-f", "none"]
    unlimited = ["-c", "5000", "-C", "5000", "-I", "60", "-L", "1000000:8", "-k", "100"]
    tls = place.if_tls("-Y", "1", "-2", f"{CERTIFICATE},{KEY}")
    files = ["-p", f"{PORTS[0]}:{PORTS[1]}", "-g", TARGET / "pure-ftpd.pid"]
    return [DEBIAN / "usr/sbin/pure-ftpd", *of_unix, *unlimited, *files, *tls]


def unftp(place):
    users = written("unftp.json", json.dumps([{"username": USER, "password": PASSWORD}]))
    account = ["--root-dir", place.root, "--auth-type", "json", "--auth-json-path", users]
    ports = ["--passive-ports", f"{PORTS[0]}-{PORTS[1]}", "--bind-address-http", f"127.0.0.1:{free_port()}"]
    tls = place.if_tls("--ftps-certs-file", CERTIFICATE, "--ftps-key-file", KEY)
    others = ["--idle-session-timeout", "3600", "--log-level", "error"]
    return [UNFTP, "--bind-address", f"127.0.0.1:{place.port}", *account, *ports, *others, *tls]


def pyftpdlib(place):
    tls = f"handler.certfile, handler.keyfile = {str(CERTIFICATE)!r}, {str(KEY)!r}"
    program = f"""
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import {"TLS_FTPHandler" if place.is_tls else "FTPHandler"} as handler
from pyftpdlib.servers import FTPServer
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_user({USER!r}, {PASSWORD!r}, {str(place.root)!r}, perm="elradfmwMT")
handler.timeout = 3600
{tls if place.is_tls else ""}
server = FTPServer(("127.0.0.1", {place.port}), handler)
server.max_cons = 0
server.serve_forever()
"""
    return [PYTHON, written("pyftpdlib_server.py", program)]


def django_ftpserver(place):
    directory, _ = site(place)
    tls = place.if_tls("--certfile", CERTIFICATE, "--keyfile", KEY)
    settings = ["--pythonpath", directory, "--settings", f"peers_settings_{place.rounds}"]
    return [PYTHON, "-m", "django", "ftpserver", *settings, f"127.0.0.1:{place.port}", "--timeout", "3600", *tls]


def site(place):
    """The directory of a site with one account, whose password costs so many rounds, and its database."""
    directory = TARGET / f"site-{place.rounds}"
    directory.mkdir(exist_ok=True)
    database = directory / "site.sqlite3"
    shutil.copy(REPOSITORY / "tests/fixtures/site.sqlite3", database)
    salt = "peers"
    key = base64.b64encode(hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), place.rounds)).decode()
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        (user,) = connection.execute("SELECT id FROM auth_user WHERE username = 'ann'").fetchone()
        hashed = f"pbkdf2_sha256${place.rounds}${salt}${key}"
        connection.execute("UPDATE auth_user SET username = ?, password = ? WHERE id = ?", [USER, hashed, user])
        connection.execute("UPDATE django_ftpserver_ftpusergroup SET home_dir = ?", [str(place.root)])
    name = f"peers_settings_{place.rounds}"
    (directory / f"{name}.py").write_text(f"""
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from pyftpdlib.servers import FTPServer
# It is 512, and the command has no option for it.
FTPServer.max_cons = 0
SECRET_KEY = "peers"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_ftpserver"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {str(database)!r}}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["{name}.Hasher"]
class Hasher(PBKDF2PasswordHasher):
    iterations = {place.rounds}
""")
    return directory, database


def written(name, text):
    path = TARGET / name
    path.write_text(text)
    path.chmod(0o600)
    return path


PEERS = {
    "vsftpd": vsftpd,
    "proftpd": proftpd,
    "pure-ftpd": pure_ftpd,
    "unftp": unftp,
    "pyftpdlib": pyftpdlib,
    "django-ftpserver": django_ftpserver,
}
SERVERS = {"limit": limit, "django-ftpd": django_ftpd, **PEERS}


class Server:
    """A server that has greeted somebody."""

    def __init__(self, name, root, is_tls, is_slow, binary):
        self.port = free_port()
        command = SERVERS[name](Place(self.port, root, is_tls, SLOW if is_slow else CHEAP, binary))
        self.log = TARGET / f"{name}.log"
        with self.log.open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(list(map(str, command)), start_new_session=True, **streams)

    def __enter__(self):
        ends = time.monotonic() + START
        while not self.greets():
            if self.process.poll() is not None or time.monotonic() > ends:
                self.__exit__()
                raise RuntimeError(f"it did not start: {self.log.read_text()[-500:]}")
            time.sleep(0.01)
        return self

    def greets(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), START) as connection:
            return connection.recv(3) == b"220"
        return False

    def __exit__(self, *_):
        """Ends it and the processes of its sessions."""
        family = descendants(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for process in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def descendants(root):
    children = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            process, rest = int(path.parent.name), path.read_text().rpartition(")")[2]
            children.setdefault(int(rest.split()[1]), []).append(process)
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found[1:]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
