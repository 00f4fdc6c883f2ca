"""The cells of the matrix: each is one way to speak FTP, and what a client has to do in it."""

import re
from typing import NamedTuple

from check import Room, eventually, expect, same, tree
from with_tls import transfers

TLS = ["plain", "explicit", "implicit"]
HOSTS = {"IPv4": "127.0.0.1", "IPv6": "::1"}
# PASV and PORT can only say IPv4 addresses.
DATA = [("PASV", "IPv4"), ("EPSV", "IPv4"), ("PORT", "IPv4"), ("EPRT", "IPv4"), ("EPSV", "IPv6"), ("EPRT", "IPv6")]
SIZE = 300_000


class Cell(NamedTuple):
    """One way to speak FTP."""

    tls: str
    data: str
    family: str

    def __str__(self):
        return f"{self.tls}-{self.data}-{self.family}"

    @property
    def host(self):
        return HOSTS[self.family]

    @property
    def passive(self):
        return self.data in ("PASV", "EPSV")

    @property
    def words(self):
        """What a client may lack."""
        kind = "passive" if self.passive else "active"
        return {self.tls, "TLS" if self.tls != "plain" else "plain", self.data, kind, self.family}


CELLS = [Cell(tls, data, family) for tls in TLS for data, family in DATA]


class Place(Room):
    """A client's room for one cell, and where its server is."""

    def __init__(self, site, client, cell):
        super().__init__(site, f"matrix-{client.name.lower().replace(' ', '-')}-{cell}".lower())
        self.cell = cell
        self.server = site.both_families if cell.tls == "plain" else site.tls_both_families
        self.host = cell.host
        self.port = self.server.implicit_port if cell.tls == "implicit" else self.server.port
        self.authority = site.certificate.file if cell.tls != "plain" else ""

    @property
    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def play(site, client, cell):
    """The client uploads up.bin, lists, gets it as down.bin, renames it to moved.bin, and deletes surplus.bin."""
    place = Place(site, client, cell)
    up = place.local("up.bin", SIZE)
    if client.only_downloads:
        place.remote("up.bin", SIZE)
    else:
        place.remote("surplus.bin", 10)
    listing = client.play(place)
    expect("up.bin" in listing, f"up.bin is not listed: {listing}")
    same(place.here / "down.bin", up)
    if not client.only_downloads:
        expect(tree(place.there) == ["moved.bin"], f"the server has {tree(place.there)}, not moved.bin")
        same(place.there / "moved.bin", up)
    expect_data_connections(place)
    expect_tls(place)


def expect_data_connections(place):
    """The log has the commands of the sessions that went to the cell's directory: no other kind may be among them."""
    used, reply_to = {}, {}
    in_the_room = set()
    for line in place.server.output.read_text(errors="replace").splitlines():
        found = re.search(r"session (\d+): (<-|->) (\w+)(.*)", line)
        if not found:
            continue
        session, direction, word, rest = found.groups()
        if direction == "->":
            command = reply_to.pop(session, None)
            if command in ("PASV", "EPSV", "PORT", "EPRT") and word.startswith("2"):
                used.setdefault(session, set()).add(command)
        else:
            reply_to[session] = word
            if re.search(rf"{re.escape(place.path)}(/|\s|\"|$)", rest):
                in_the_room.add(session)
    seen = set().union(*(used.get(session, set()) for session in in_the_room))
    expect(seen == {place.cell.data}, f"the data connections were made by {' and '.join(sorted(seen)) or 'nothing'}")


def expect_tls(place):
    """The journal has the TLS of each transfer, on both connections."""
    eventually(lambda: transfers(place, place.server), "the journal has no transfer")
    for pair in transfers(place, place.server):
        if place.cell.tls == "plain":
            expect(pair == (None, None), f"a transfer was made in {pair}")
        else:
            expect(None not in pair, f"a transfer was made in {pair}")
