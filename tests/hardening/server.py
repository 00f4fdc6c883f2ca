"""A server to which faults happen, and what must be true behind each of them."""

import base64
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import time
from pathlib import Path

from check import expect
from client import Client
from host import Host

LEFT_OVER = re.compile(r"^\.django-ftpd-upload-[0-9a-f]{16}$")
# For threads that stay a second for the next client, and for what a session does behind its last reply.
LATE = 10


class HardHost(Host):
    def __init__(self, binary, directory, is_long):
        super().__init__(binary, directory)
        self.is_long = is_long
        self.undo = []
        # What the configuration has beside its options.
        self.sections = ""
        # What runs the server.
        self.prefix = []

    def serve(self, *words, **options):
        """A server that has greeted, and that hashes little: it is to be tried, not its hashes."""
        self.home
        with sqlite3.connect(self.path("site.sqlite3")) as database:
            database.execute("UPDATE auth_user SET password = ?", [hashed("ann-secret")])
        database.close()
        options = {"sandbox": "off", "log_level": "info", "timeout": 3600, "max_cons": 0} | options
        self.process = super().serve(*words, **options)
        return self.process

    def configure(self, **options):
        inner = super().configure(**options)
        with self.path("django-ftpd.conf").open("a") as file:
            file.write(self.sections)
        return inner

    def command(self, *words, user=None):
        prefix = self.prefix if words[0] == "serve" else []
        return [*map(str, prefix), *super().command(*words, user=user)]

    def another(self):
        """A host beside this one, which ends with it."""
        directory = self.path("another")
        directory.mkdir()
        other = HardHost(self.binary, directory, self.is_long)
        other.processes = self.processes
        return other

    def again(self):
        """The next one with the same configuration."""
        self.process = self.start(self.command("serve", "--config", self.inner("django-ftpd.conf")))
        return self.process

    def at_the_end(self, *words):
        """A command that takes back what the check has done to the system."""
        self.undo.insert(0, words)

    def leave(self):
        super().leave()
        for words in self.undo:
            subprocess.run([str(word) for word in words], check=False, capture_output=True)

    def is_alive(self):
        return self.process.poll() is None

    def log(self):
        return self.path("server.log").read_text(errors="replace")

    def client(self, name="ann", **how):
        client = Client(self.port, **how)
        expect(client.login(name), f"nobody can log in: {self.last_log()}")
        return client

    def threads(self, name=None):
        """The numbers of its threads, of those with that name."""
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                if name in (None, (task / "comm").read_text().strip()):
                    found.append(int(task.name))
            except OSError:
                pass  # it has just ended
        return found

    def resources(self):
        """How many descriptors and threads it has."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd")), len(self.threads())

    def at_rest(self):
        """What it has when somebody was served, and nobody is on."""
        self.serves()
        time.sleep(1.5)  # a thread stays for a second for the next client
        return self.resources()

    def rested(self, before):
        """Nothing more is open than before."""
        until = time.monotonic() + LATE
        while any(now > then for now, then in zip(self.resources(), before)):
            expect(time.monotonic() < until, f"{before} descriptors and threads have become {self.resources()}")
            time.sleep(0.05)

    def serves(self):
        """Somebody else logs in, sends a file, gets it back, and removes it."""
        expect(self.is_alive(), f"the server has ended with {self.process.poll()}: {self.last_log()}")
        content = os.urandom(50_000)
        with self.client() as ann:
            code = ann.upload("STOR witness", content)
            expect(code == 226, f"another's upload is answered with {code}: {self.last_log()}")
            got = ann.download("RETR witness")
            expect(got == (226, content), f"another's download is answered with {got[0]}, {len(got[1])} bytes")
            expect(ann.code("DELE witness") == 250, "another can't remove a file")
            ann.say("QUIT")

    def events(self):
        """Of the journal and its old files; only the last line may be torn, and none is there twice."""
        events = []
        older = sorted(self.directory.glob("events.jsonl.[0-9]*"), key=lambda path: -int(path.suffix[1:]))
        for path in [*older, self.path("events.jsonl")]:
            lines = path.read_bytes().split(b"\n")
            for line in lines[:-1]:
                try:
                    events.append(json.loads(line))
                except ValueError:
                    expect(False, f"{path.name} has a torn line: {line[:200]}")
        numbers = [event["seq"] for event in events]
        expect(numbers == sorted(set(numbers)), "the journal's numbers do not rise")
        return events

    def received(self):
        """The files that the journal says were received."""
        events = self.events()
        return {event["virtual_path"].removeprefix("/") for event in events if event["event"] == "ftp_file_received"}

    def leftovers(self):
        return [path for path in self.home.rglob("*") if LEFT_OVER.match(path.name)]

    def plant_leftover(self):
        """One temporary file that surely was left: where the system has O_TMPFILE, a kill hardly leaves any."""
        (self.home / ".django-ftpd-upload-0123456789abcdef").write_bytes(b"half")
        expect(self.leftovers(), "there is nothing to remove")

    def age_leftovers(self):
        """As if temporary files that were left had been there for long."""
        for path in self.leftovers():
            os.utime(path, (1, 1))

    def swept(self):
        """They go with the next listing, when they are old enough."""
        self.age_leftovers()
        with self.client() as ann:
            expect(ann.download("LIST")[0] == 226, "there is no listing")
        expect(not self.leftovers(), f"{len(self.leftovers())} temporary files stay")


def hashed(password):
    """As Django has it, with few iterations."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", 10)
    return f"pbkdf2_sha256$10$salt${base64.b64encode(digest).decode()}"
