"""A Django site with FTP users, and the servers that serve it."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from functools import cached_property

import certificates
import django_site
from check import Failure

PASSIVE_PORTS = 200
START_SECONDS = 20
STOP_SECONDS = 20
# Stands in a server's options for an address with a port that is free.
IMPLICIT = object()


class Site:
    """The site in a temporary directory, its users, and the one server that most checks share."""

    def __init__(self, binary, directory):
        self.binary = binary
        self.directory = directory
        self.database = directory / "db.sqlite3"
        self.wal_database = directory / "wal.sqlite3"
        self.servers = []

    def __enter__(self):
        django_site.set_up(self.database, wal=self.wal_database)
        self._make_users()
        try:
            self.server = self.serve("main")
        except Failure as failure:
            raise SystemExit(str(failure))
        return self

    def __exit__(self, *exception):
        for server in self.servers:
            if server.running():
                server.kill()

    def serve(self, name, address="127.0.0.1", database=None, options=()):
        """One more server of this site; `name` names its journal."""
        server = Server(self.binary, self.directory, name, address, database or self.database, options)
        self.servers.append(server)
        return server

    def serve_tls(self, name, *options, certificate=None, address="127.0.0.1"):
        """One more server, which demands TLS, and has a second port where TLS comes first."""
        certificate = certificate or self.certificate
        options = ["--certfile", certificate.file, "--keyfile", certificate.key, "--implicit-tls", IMPLICIT, *options]
        return self.serve(name, address, options=options)

    @cached_property
    def certificate(self):
        """The servers' certificate, its own authority."""
        return certificates.self_signed(self.directory / "certificate")

    @cached_property
    def tls(self):
        """The server that most checks of TLS share."""
        return self.serve_tls("tls")

    @cached_property
    def both_families(self):
        """A server that listens to IPv4 and IPv6, and logs every command."""
        return self.serve("both-families", "[::]", options=["--log-level", "debug"])

    @cached_property
    def tls_both_families(self):
        """The same, but it demands TLS."""
        return self.serve_tls("tls-both-families", "--log-level", "debug", address="[::]")

    def last_output(self):
        """What the servers wrote last that are still on."""
        return "\n".join(f"{server.name}:\n{server.last_output()}" for server in self.servers if server.running())

    def home(self, username):
        return self.directory / "homes" / username

    def add_user(self, username, permission="elradfmwMT", using="default"):
        """A user with a cheap hash and a group of their own."""
        from django.contrib.auth.hashers import PBKDF2PasswordHasher
        from django.contrib.auth.models import User

        class Cheap(PBKDF2PasswordHasher):
            iterations = 10

        password = Cheap().encode(f"{username}-secret", "cheap0salt0cheap0salt0")
        user = User.objects.using(using).create(username=username, password=password)
        return self._add_account(user, permission, using)

    def _make_users(self):
        from django.contrib.auth.models import User
        from django.db import connections

        with connections["wal"].cursor() as cursor:
            cursor.execute("PRAGMA journal_mode = wal")
        self.add_user("ann")
        self.add_user("ann", using="wal")
        # As a site makes its users: with Django's own hasher.
        self._add_account(User.objects.create_user("dora", password="dora-secret"), "elradfmw", "default")

    def _add_account(self, user, permission, using):
        from django_ftpserver.models import FTPUserAccount, FTPUserGroup

        self.home(user.username).mkdir(parents=True, exist_ok=True)
        template = str(self.directory / "homes" / "{username}")
        group = FTPUserGroup.objects.using(using).create(name=user.username, permission=permission, home_dir=template)
        return FTPUserAccount.objects.using(using).create(user=user, group=group)

    def environment(self, home):
        """No proxies, no configuration of whoever runs the checks."""
        return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


class Server:
    """A running `serve`; listens on a port that was free, and has greeted."""

    def __init__(self, binary, directory, name, address, database, options):
        self.name = name
        self.host = address.strip("[]")
        self.port, self.implicit_port = free_ports(self.host)
        self.journal = directory / f"{name}.jsonl"
        self.output = directory / f"{name}.output"
        first, last = free_range(self.host)
        command = [binary, "serve", "--passive-ports", f"{first}-{last}"]
        command += ["--database", database] if database else []
        command += [f"{address}:{self.implicit_port}" if option is IMPLICIT else option for option in options]
        command += ["--journal", self.journal, f"{address}:{self.port}"]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command], cwd=directory, env=python_environment(), stdout=output, stderr=output
            )
        self._wait_until_it_greets()

    def _wait_until_it_greets(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.running():
            try:
                with socket.create_connection((self.host, self.port), timeout=START_SECONDS) as connection:
                    if connection.recv(100).startswith(b"220"):
                        connection.sendall(b"QUIT\r\n")
                        connection.recv(100)
                        return
            except OSError:
                time.sleep(0.05)
        self.kill()
        raise Failure(f"the server did not greet on {self.host} port {self.port}: ...{self.last_output()[-300:]}")

    def running(self):
        return self.process.poll() is None

    def terminate(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"still running {STOP_SECONDS} s after SIGTERM"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def last_output(self):
        return self.output.read_text(errors="replace")[-3000:]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.running():
            self.terminate()


def python_environment():
    """The reference is a Python script, and finds its Django through PATH."""
    venv = os.path.dirname(sys.executable)
    return os.environ | {"PATH": f"{venv}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}


def free_ports(host):
    """Two of them; sockets that may reuse addresses can be given the same one."""
    ports = set()
    while len(ports) < 2:
        with listener(host, 0) as held:
            ports.add(held.getsockname()[1])
    return tuple(ports)


def free_range(host):
    """As many neighbouring ports as the server may want, below those that the kernel hands out."""
    while True:
        first = random.randrange(10_000, 32_000 - PASSIVE_PORTS)
        try:
            for port in range(first, first + PASSIVE_PORTS):
                listener(host, port).close()
            return first, first + PASSIVE_PORTS - 1
        except OSError:
            continue


def listener(host, port):
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((host, port))
    except OSError:
        held.close()
        raise
    return held
