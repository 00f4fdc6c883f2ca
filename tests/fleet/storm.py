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
PART = 8_000_000
UPLOADS = [0, 1, 1_000, 100_000, 1_000_000, 5_000_000, PART - 1, PART, PART + 1, 2 * PART, 12_345_678, 20_000_000]
UPLOADS = 2 * UPLOADS + [31_457_280] * 8
DOWNLOADS = [0, 1, 70_000, PART, PART + 1, 31_457_280]


@dataclass
class Attempt:
    """One connection of a client."""

    began: float
    node: str = None
    bytes: int = 0
    ended: float = None
    trouble: Exception = None

    def is_on(self):
        return self.ended is None


@dataclass
class Transfer:
    """A file that a client wants to have there, or here."""

    name: str
    size: int
    is_upload: bool
    attempts: list = field(default_factory=list)
    address: str = None
    # What its name stood for behind an attempt that was not acknowledged.
    seen: list = field(default_factory=list)
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

    def key(self):
        return HOME + self.name


class Storm:
    """Runs at once. `killed` has the two nodes, and the attempts that were on there."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.there = [Transfer(f"there{size}", size, True) for size in DOWNLOADS]
        self.uploads = [Transfer(f"up{number}", size, True) for number, size in enumerate(UPLOADS)]
        wanted = random.Random(1).choices(self.there, k=50 - len(self.uploads))
        self.downloads = [Transfer(transfer.name, transfer.size, False) for transfer in wanted]
        self.all = self.uploads + self.downloads
        self.killed = {}
        self.s3 = fleet.garage.s3(fleet.garage.nodes[-1])
        self._run_all(self.there)
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
            until = time.monotonic() + LONGEST
            while not transfer.is_acknowledged() and time.monotonic() < until:
                # Every other client connects where PASV says, the rest to where they have logged in.
                self._attempt(transfer, number % 2 == 0)

    def _attempt(self, transfer, trusts_pasv):
        attempt = Attempt(time.monotonic())
        transfer.attempts.append(attempt)
        try:
            with ftplib.FTP(timeout=SILENCE, source_address=(transfer.address, 0)) as ftp:
                ftp.trust_server_pasv_ipv4_address = trusts_pasv
                ftp.connect(self.fleet.address, FTP_PORT)
                attempt.node = ftp.getwelcome().split()[1]
                ftp.login(*LOGIN)
                move(ftp, transfer, attempt)
        except (OSError, EOFError, ftplib.Error, Failure) as trouble:
            attempt.trouble = trouble
            if transfer.is_upload:
                transfer.seen.append(self.stored(transfer))
            time.sleep(0.3)
        finally:
            attempt.ended = time.monotonic()

    def stored(self, transfer):
        """What the store itself has under the name: nothing (None), or whether it is whole."""
        try:
            body = self.s3.get_object(Bucket="media", Key=transfer.key())["Body"].read()
        except self.s3.exceptions.NoSuchKey:
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
        self.killed["ftp"] = (node, [pair for pair in self._on() if pair[1].node == node.name])
        node.kill()

    def _when(self, condition, what):
        until = time.monotonic() + LONGEST
        while not condition():
            expect(time.monotonic() < until, f"there was no moment to kill {what}")
            time.sleep(0.005)

    def _acknowledged(self):
        return sum(transfer.is_acknowledged() for transfer in self.all)

    def _on(self):
        return [(transfer, transfer.last) for transfer in self.all if transfer.attempts and transfer.last.is_on()]

    def _parts_on(self, node):
        return [
            transfer
            for transfer, attempt in self._on()
            if transfer.is_upload and attempt.node == node.name and attempt.bytes > PART + 1_000_000
        ]


def move(ftp, transfer, attempt):
    """The file, there or here; an error if it is not acknowledged."""
    if transfer.is_upload:

        def note(block):
            attempt.bytes += len(block)

        reply = ftp.storbinary(f"STOR {transfer.name}", io.BytesIO(transfer.data()), 65_536, note)
        expect(reply.startswith("226"), reply)
        return
    digest = hashlib.sha256()

    def take(block):
        attempt.bytes += len(block)
        digest.update(block)

    reply = ftp.retrbinary(f"RETR {transfer.name}", take, 65_536)
    expect(reply.startswith("226"), reply)
    # What is acknowledged and not right is no matter of trying again.
    transfer.is_right = digest.digest() == hashlib.sha256(transfer.data()).digest()
