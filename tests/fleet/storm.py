"""Fifty transfers through HAProxy, in which a node of the store and an FTP node are killed; and what became of each."""

import ftplib
import hashlib
import io
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from check import Failure, expect, noise
from fleet import FTP_PORT, HOME, LOGIN

# Clients at once, each from an address of its own.
CLIENTS = 10
# A client that hears nothing for so long has been left hanging: the server tells of a store that fails after 25 s.
SILENCE = 30
# From the first attempt at a transfer to its end, attempts that met a killed node included.
LONGEST = 60
# For all of them.
ALL = 75
PART = 8_000_000
UPLOADS = [0, 1, 1_000, 100_000, 1_000_000, 5_000_000, PART - 1, PART, PART + 1, 2 * PART, 12_345_678, 20_000_000]
UPLOADS = 2 * UPLOADS + [31_457_280] * 8
DOWNLOADS = [0, 1, 70_000, PART, PART + 1, 31_457_280]


@dataclass
class Attempt:
    """One connection of a client."""

    began: float
    name: str
    node: str = None
    bytes: int = 0
    ended: float = None
    trouble: Exception = None
    # What its name stood for in the store behind an upload that was not acknowledged: None is nothing, True all of it.
    was_whole: bool = None

    def key(self):
        return HOME + self.name

    def is_on(self):
        return self.ended is None


@dataclass
class Transfer:
    """A file that a client wants to have there, or here."""

    name: str
    size: int
    is_upload: bool
    # What was cut is left as it is, and sent again under another name.
    is_renamed: bool = False
    attempts: list = field(default_factory=list)
    address: str = None
    # Of a download that was acknowledged: whether it brought the very bytes.
    is_right: bool = None

    def data(self):
        return noise(self.size, self.name)

    @property
    def last(self):
        return self.attempts[-1]

    def is_acknowledged(self):
        return bool(self.attempts) and not self.last.is_on() and self.last.trouble is None

    def seconds(self):
        return self.last.ended - self.attempts[0].began

    def begin(self):
        number = len(self.attempts)
        name = f"{self.name}-{number}" if number and self.is_renamed else self.name
        self.attempts.append(Attempt(time.monotonic(), name))
        return self.last


class Storm:
    """Runs at once. `killed` has the two nodes, and the attempts that were on then; `parts` the uploads in the store that had
    only begun when the FTP node was killed."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.there = [Transfer(f"there{size}", size, True) for size in DOWNLOADS]
        self.uploads = [Transfer(f"up{number}", size, True, number % 2 == 1) for number, size in enumerate(UPLOADS)]
        wanted = random.Random(1).choices(self.there, k=50 - len(self.uploads))
        self.downloads = [Transfer(transfer.name, transfer.size, False) for transfer in wanted]
        self.all = self.uploads + self.downloads
        self.killed = {}
        self.end = time.monotonic() + ALL
        self.s3 = fleet.garage.s3(fleet.garage.nodes[-1])
        self._run_all(self.there)
        late = [transfer.last.trouble for transfer in self.there if not transfer.is_acknowledged()]
        expect(not late, f"not even without kills: {late}")
        began = time.monotonic()
        order = random.Random(2).sample(self.all, len(self.all))
        self._run_all(order, self._kill)
        self.seconds = time.monotonic() - began

    def _run_all(self, transfers, meanwhile=lambda: None):
        waiting = deque(transfers)
        clients = [threading.Thread(target=self._client, args=(number, waiting)) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            meanwhile()
        finally:
            for client in clients:
                client.join()

    def _client(self, number, waiting):
        """Takes one transfer after the other, each until it is acknowledged or has taken too long."""
        address = self.fleet.network.here(f"10.0.0.{100 + number}")
        while True:
            try:
                transfer = waiting.popleft()
            except IndexError:
                return
            transfer.address = address
            until = min(time.monotonic() + LONGEST, self.end)
            while not transfer.is_acknowledged() and (not transfer.attempts or time.monotonic() < until):
                self._attempt(transfer)

    def _attempt(self, transfer):
        attempt = transfer.begin()
        try:
            with ftplib.FTP(timeout=SILENCE, source_address=(transfer.address, 0)) as ftp:
                # One server's data goes through the proxy, the other's past it.
                ftp.trust_server_pasv_ipv4_address = True
                ftp.connect(self.fleet.address, FTP_PORT)
                attempt.node = ftp.getwelcome().split()[1]
                ftp.login(*LOGIN)
                move(ftp, transfer)
        except (OSError, EOFError, ftplib.Error, Failure) as trouble:
            attempt.trouble = trouble
            if transfer.is_upload:
                attempt.was_whole = self.is_whole(transfer, attempt)
            time.sleep(0.3)
        finally:
            attempt.ended = time.monotonic()

    def is_whole(self, transfer, attempt=None, s3=None):
        """What the store itself has under the name, by any node or by this one: nothing (None), or whether it is whole."""
        s3 = s3 or self.s3
        try:
            body = s3.get_object(Bucket="media", Key=(attempt or transfer.last).key())["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        return body == transfer.data()

    def _kill(self):
        """First a node of the store while files are on their way, then an FTP node that has sent parts of two."""
        self._when(lambda: self._acknowledged() >= 8 and len(self._on()) >= 5, "the store's node")
        store = self.fleet.garage.nodes[0]
        self.killed["store"] = (store, self._on())
        store.kill()
        node = self.fleet.nodes[0]
        self._when(lambda: self._acknowledged() >= 16 and len(self._parts_on(node)) >= 2, "the FTP node")
        self.killed["ftp"] = (node, [attempt for attempt in self._on() if attempt.node == node.name])
        node.kill()
        self.parts = self.s3.list_multipart_uploads(Bucket="media").get("Uploads", [])

    def _when(self, condition, what):
        until = time.monotonic() + LONGEST
        while not condition():
            expect(time.monotonic() < until, f"there was no moment to kill {what}")
            time.sleep(0.005)

    def _acknowledged(self):
        return sum(transfer.is_acknowledged() for transfer in self.all)

    def _on(self):
        return [transfer.last for transfer in self.all if transfer.attempts and transfer.last.is_on()]

    def _parts_on(self, node):
        uploads = [transfer.last for transfer in self.uploads if transfer.attempts]
        return [each for each in uploads if each.is_on() and each.node == node.name and each.bytes > 2 * PART]


def move(ftp, transfer):
    """The file, there or here, in the last attempt; an error if it is not acknowledged."""
    attempt = transfer.last
    if transfer.is_upload:

        def note(block):
            attempt.bytes += len(block)

        reply = ftp.storbinary(f"STOR {attempt.name}", io.BytesIO(transfer.data()), 65_536, note)
        expect(reply.startswith("226"), reply)
        return
    digest = hashlib.sha256()

    def take(block):
        attempt.bytes += len(block)
        digest.update(block)

    reply = ftp.retrbinary(f"RETR {attempt.name}", take, 65_536)
    expect(reply.startswith("226"), reply)
    # What is acknowledged and not right is no matter of trying again.
    transfer.is_right = digest.digest() == hashlib.sha256(transfer.data()).digest()
