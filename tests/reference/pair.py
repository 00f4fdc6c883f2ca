"""A site with a user for each dialogue, and a copy of it: one behind `manage.py ftpserver`, one behind this server."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time

import certificates
from dialogue import Client
from site_under_test import free_ports

OLD = 1_700_000_000
START_SECONDS = STOP_SECONDS = 30

SETTINGS = """
    SECRET_KEY = "only for tests"
    USE_TZ = True
    DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "OPTIONS": {"timeout": 60}}}
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_ftpserver", "recorder.Recorder"]
    PASSWORD_HASHERS = ["recorder.Quick"]
    FTPSERVER_HANDLER = "recorder.handler.Quick"
"""

MANAGE = """
    import os
    import sys

    from django.core.management import execute_from_command_line

    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    execute_from_command_line(sys.argv)
"""

# Writes each signal down as our journal has it. With a hash that is made quickly, for Django makes it anew otherwise.
RECORDER = """
    import json

    from django.apps import AppConfig
    from django.contrib.auth.hashers import PBKDF2PasswordHasher


    class Quick(PBKDF2PasswordHasher):
        iterations = 10


    class Recorder(AppConfig):
        name = "recorder"

        def ready(self):
            from django_ftpserver import signals

            for name, one in vars(signals).items():
                if name.startswith("ftp_"):
                    self.connect(name, one)

        def connect(self, name, one):
            def record(sender, signal, handler=None, **arguments):
                event = {"event": name, "remote_port": getattr(handler, "remote_port", None)}
                event |= {key: value for key, value in arguments.items() if isinstance(value, str)}
                with open("events.jsonl", "a") as file:
                    file.write(json.dumps(event) + "\\n")

            one.connect(record, weak=False)
"""

# Failed logins are answered after three seconds otherwise.
HANDLER = """
    from django_ftpserver.handlers import DjangoFTPHandler


    class Quick(DjangoFTPHandler):
        auth_failed_timeout = 0.1
"""

FILES = {
    "file.txt": b"one\r\ntwo\n",
    "empty": b"",
    "two words.txt": b"two",
    ".hidden": b"hidden",
    "-dash": b"dash",
    "ünï.txt": b"",
    "[x].txt": b"brackets",
    "script.sh": b"#!/bin/sh\n",
    "big.bin": bytes(range(256)) * 400,
    "sub/inner.txt": b"inner",
    "sub/deep/deepest.txt": b"deepest",
}


class Pair:
    """The site in a temporary directory, and both servers of it."""

    def __init__(self, directory, binary, dialogues):
        self.directory = directory
        self.dialogues = dialogues
        certificate = certificates.self_signed(directory / "certificate")
        tls = ["--certfile", certificate.file, "--keyfile", certificate.key]
        self.make_site(directory / "theirs")
        shutil.copytree(directory / "theirs", directory / "ours", symlinks=True)
        theirs, ours = directory / "theirs", directory / "ours"
        move_homes(ours / "db.sqlite3", theirs, ours)
        manage = [sys.executable, "-B", "manage.py", "ftpserver"]
        serve = [binary, "serve", "--database", "db.sqlite3", "--ban-failures", "0", "--auth-failed-timeout", "0"]
        self.theirs, self.ours = Side(theirs, manage, tls, []), Side(ours, serve, tls, ["--journal", "events{}.jsonl"])
        self.sides = [self.theirs, self.ours]

    def __enter__(self):
        for side in self.sides:
            side.wait_for(lambda: all(map(side.is_open, side.ports)), START_SECONDS, "it does not listen")
        return self

    def __exit__(self, *exception):
        for side in self.sides:
            side.kill()

    def stop(self):
        """When each has told of the end of every connection."""
        for side in self.sides:
            side.stop()

    def make_site(self, project):
        """A home and an account for each dialogue; all homes are the same."""
        (project / "recorder").mkdir(parents=True)
        files = {"settings": SETTINGS, "manage": MANAGE, "recorder/__init__": RECORDER, "recorder/handler": HANDLER}
        for name, text in files.items():
            (project / f"{name}.py").write_text(textwrap.dedent(text))
        users = [(one.name, one.permission) for one in self.dialogues]
        made = MAKE % {"users": users, "home": str(project / "homes" / "{username}")}
        command = [sys.executable, "-B", "-c", textwrap.dedent(made)]
        subprocess.run(command, check=True, cwd=project, env=environment())
        for one in self.dialogues:
            if "@homeless" not in one.options:
                plant(project / "homes" / one.name, "@outside" in one.options)


MAKE = """
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

    import django

    django.setup()

    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django_ftpserver.models import FTPUserAccount, FTPUserGroup

    call_command("migrate", verbosity=0)
    for number, (name, permission) in enumerate(%(users)r):
        group = FTPUserGroup.objects.create(name=f"group {number}", permission=permission, home_dir=%(home)r)
        FTPUserAccount.objects.create(user=User.objects.create_user(name, password=name + "-secret"), group=group)
    User.objects.create_user("without-account", password="without-account-secret")
    for name, columns in [("inactive", {"password": "inactive-secret", "is_active": False}), ("unusable", {})]:
        FTPUserAccount.objects.create(user=User.objects.create_user(name, **columns), group=group)
"""


def plant(home, has_outside):
    for name, content in FILES.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (home / "bare").mkdir()
    (home / "script.sh").chmod(0o755)
    (home / "link").symlink_to("file.txt")
    (home / "dangling").symlink_to("nowhere")
    if has_outside:
        outside = home.parent.parent / "outside"
        outside.mkdir()
        (outside / "passwd").write_bytes(b"root")
        (home / "outside").symlink_to("../../outside")
    for path in [*home.rglob("*"), home]:
        os.utime(path, (OLD, OLD), follow_symlinks=False)


def move_homes(database, before, after):
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE django_ftpserver_ftpusergroup SET home_dir = replace(home_dir, ?, ?)", [str(before), str(after)]
        )
    connection.close()


class Side:
    """Two processes of one server: in the clear, and with a certificate."""

    def __init__(self, directory, command, tls, more):
        self.directory = directory
        self.ports = free_ports("127.0.0.1")
        self.clients = []
        self.taken = set()
        self.processes = []
        for number, (port, options) in enumerate(zip(self.ports, [[], tls])):
            words = [*command, *(word.format(number) for word in more), *options, f"127.0.0.1:{port}"]
            with (directory / "output").open("ab") as output:
                self.processes.append(
                    subprocess.Popen(
                        [str(word) for word in words], cwd=directory, env=environment(), stdout=output, stderr=output
                    )
                )

    def play(self, dialogue):
        client = Client(self.ports["@tls" in dialogue.options], dialogue, self.taken).play(dialogue)
        self.clients.append(client)
        return client

    def stop(self):
        ports = {port for client in self.clients for port in client.ports}
        self.wait_for(lambda: ports <= self.gone(), STOP_SECONDS, "it does not tell of the end of all connections")
        for process in self.processes:
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            process.wait(STOP_SECONDS)

    def is_open(self, port):
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                self.taken.add(connection.getsockname()[1])
        except OSError:
            return False
        return True

    def gone(self):
        return {event["remote_port"] for event in self.events() if event["event"] == "ftp_client_disconnected"}

    def events(self):
        lines = [line for path in self.directory.glob("events*.jsonl") for line in path.read_text().splitlines(True)]
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_for(self, happens, seconds, why):
        end = time.monotonic() + seconds
        while not happens():
            if time.monotonic() > end or any(process.poll() is not None for process in self.processes):
                sys.exit(f"{self.directory.name}: {why}: {(self.directory / 'output').read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def home(self, name):
        return str(self.directory / "homes" / name)


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "FTPSERVER_"))}
