"""What a check is: a function with a name that says what works, given a room (or a host) of its own."""

import hashlib
import os
import random
import subprocess
import time
import traceback

CHECKS = []
TOO_LONG = 90


class Failure(Exception):
    """The server or the client did something else than the check expects."""


class Check:
    def __init__(self, function):
        self.function = function
        self.name = function.__name__.replace("_", "-")

    def run(self, room_for):
        """None, or why it failed."""
        try:
            self.function(room_for(self.name))
        except Failure as failure:
            return one_line(str(failure))
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            return one_line(f"{type(error).__name__}: {error} at {os.path.basename(place.filename)}:{place.lineno}")
        return None


def check(function):
    CHECKS.append(Check(function))
    return function


def expect(condition, why):
    if not condition:
        raise Failure(why)


def eventually(happens, why, patience=5):
    """For what the server does behind its reply."""
    end = time.monotonic() + patience
    while not happens():
        expect(time.monotonic() < end, why)
        time.sleep(0.01)


def same(have, want):
    """Two files, or bytes, have the same SHA-256."""
    have, want = contents(have), contents(want)
    expect(
        hashlib.sha256(have).digest() == hashlib.sha256(want).digest(),
        f"{len(have)} bytes arrived, not the {len(want)} sent" if len(have) != len(want) else "the bytes differ",
    )


def same_trees(have, want):
    """Two directories have the same files with the same bytes, and the same empty directories."""
    have_names, want_names = tree(have), tree(want)
    expect(have_names == want_names, f"the tree is {have_names}, not {want_names}")
    for name in want_names:
        if not name.endswith("/"):
            same(have / name, want / name)


def tree(directory):
    expect(directory.is_dir(), f"there is no directory {directory.name}")
    paths = sorted(directory.rglob("*"))
    return [str(path.relative_to(directory)) + ("/" if path.is_dir() else "") for path in paths]


def contents(source):
    if isinstance(source, bytes):
        return source
    expect(source.exists(), f"{source.name} is not there")
    return source.read_bytes()


def noise(size, seed=0):
    """The same bytes for the same arguments."""
    return random.Random(f"{size} {seed}").randbytes(size)


def one_line(text):
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())[:600]


class Room:
    """A check's own directory on both sides: `here` for the client, `there` in the home, which FTP calls `path`."""

    def __init__(self, site, name):
        self.site = site
        self.server = site.server
        self.here = site.directory / "here" / name
        self.there = site.home("ann") / name
        self.path = f"/{name}"
        self.here.mkdir(parents=True)
        self.there.mkdir(parents=True)

    def local(self, name, size=100_000, data=None):
        """A new file on the client's side."""
        return self._write(self.here / name, size, data)

    def remote(self, name, size=100_000, data=None):
        """A new file on the server's side."""
        return self._write(self.there / name, size, data)

    def _write(self, path, size, data):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(size, path.name) if data is None else data)
        return path

    def plant(self, root):
        """A small tree with what makes trees difficult."""
        self._write(root / "top.bin", 200_000, None)
        self._write(root / "empty", 0, None)
        self._write(root / "sub" / "deeper" / "two words.txt", 5_000, None)
        self._write(root / "sub" / "ünï ☃.txt", 3_000, None)
        self._write(root / "-dash" / "-file", 10, None)
        for number in range(30):
            self._write(root / "many" / f"{number:02}.dat", 1_000 + number, None)
        return root

    def run(self, *command, stdin=None, ok=(0,), **environment):
        """Runs a client in `here`, in an environment of its own; returns its output."""
        command = [str(word) for word in command]
        try:
            done = subprocess.run(
                command,
                cwd=self.here,
                env=self.site.environment(self.here) | environment,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=TOO_LONG,
                text=True,
                errors="surrogateescape",
            )
        except subprocess.TimeoutExpired as expired:
            raise Failure(f"{command[0]} hung for {TOO_LONG} s: {expired.stderr or expired.stdout or b''!r}")
        if done.returncode not in ok:
            raise Failure(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:] or done.stdout[-500:]}")
        self.errors = done.stderr
        return done.stdout
