"""Two servers behind the real HAProxy, with the files of conf/haproxy: both ways for data, both versions of the header."""

import json
import socket
import subprocess
import time
from pathlib import Path

from check import Failure, check, eventually, expect, same, same_trees
from site_under_test import free_ports, free_range

CONF = Path(__file__).resolve().parents[2] / "conf" / "haproxy"
# Where HAProxy comes from to the servers, and where the clients come from to it.
PROXY, CLIENT = "127.0.0.2", "127.0.0.7"
NODES = {"one": "127.0.0.11", "two": "127.0.0.12"}
BEGIN_OF_DATA = "# Data of passive mode"


class Pair:
    """Two servers of the site, and HAProxy in front of them."""

    def __init__(self, room, header="send-proxy-v2", data_past_it=False, check_every="200ms"):
        self.room, self.header, self.data_past_it, self.check_every = room, header, data_past_it, check_every
        self.nodes = {}
        self.host = "127.0.0.1"
        self.port, self.implicit_port = free_ports(self.host)
        first, last = free_range(self.host)
        middle = (first + last) // 2
        self.ranges = {"one": f"{first}-{middle}", "two": f"{middle + 1}-{last}"}

    def __enter__(self):
        for name in NODES:
            self.nodes[name] = self._serve(name)
        configuration = self._configuration()
        self.output = self.room.here / "haproxy.out"
        with self.output.open("wb") as output:
            command = ["haproxy", "-db", "-dW", "-f", str(configuration)]
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            eventually(self._greets, "HAProxy finds no server that greets")
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        for node in self.nodes.values():
            node.__exit__()

    def _serve(self, name):
        lines = {"10.0.0.2": PROXY, "30000-30099": self.ranges[name]}
        if self.data_past_it:
            lines['# masquerade_address = "the address of this server"\n# masquerade_local'] = (
                f'masquerade_address = "{NODES[name]}"\nmasquerade_local'
            )
        file = adapted(CONF / "django-ftpd.conf", self.room.here / f"{name}.conf", lines)
        options = ["--config", file, "--passive-ports", self.ranges[name], "--tls", "optional"]
        server_name = f"{self.room.here.name}-{name}"
        return self.room.site.serve_tls(server_name, *options, address=NODES[name])

    def _configuration(self):
        lines = {
            "    log /dev/log local0\n    user haproxy\n    group haproxy\n": "",
            "    log global\n    option tcplog\n": "",
            "bind :21\n": f"bind {self.host}:{self.port}\n",
            "bind :990\n": f"bind {self.host}:{self.implicit_port}\n",
            "bind :30000-30099\n": f"bind {self.host}:{self.ranges['one']}\n",
            "bind :30100-30199\n": f"bind {self.host}:{self.ranges['two']}\n",
            "send-proxy-v2": f"{self.header} source {PROXY}",
            "inter 2s": f"inter {self.check_every}",
        }
        for name, address in {"one": "10.0.0.11", "two": "10.0.0.12"}.items():
            node = self.nodes[name]
            lines[f"{address}:21\n"] = f"{NODES[name]}:{node.port}\n"
            lines[f"{address}:990 "] = f"{NODES[name]}:{node.implicit_port} "
            lines[f"{name} {address} "] = f"{name} {NODES[name]} "
        file = adapted(CONF / "haproxy.cfg", self.room.here / "haproxy.cfg", lines)
        if self.data_past_it:
            file.write_text(file.read_text().split(BEGIN_OF_DATA)[0])
        return file

    def _greets(self):
        expect(self.process.poll() is None, self.output.read_text())
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as connection:
                return connection.recv(100).startswith(b"220")
        except OSError:
            return False

    def events(self, **fields):
        """Those of both servers that have these fields."""
        texts = (node.journal.read_text() for node in self.nodes.values())
        events = [json.loads(line) for text in texts for line in text.splitlines()]
        return [event for event in events if all(event.get(key) == value for key, value in fields.items())]


def adapted(source, target, changes):
    """A copy of a file with some texts changed, each of which has to be there."""
    content = source.read_text()
    for old, new in changes.items():
        expect(old in content, f"{source.name} does not have {old!r} any more")
        content = content.replace(old, new)
    target.write_text(content)
    return target


def curl(room, pair, *arguments, scheme="ftp", name="", **options):
    port = pair.implicit_port if scheme == "ftps" else pair.port
    url = f"{scheme}://{pair.host}:{port}{room.path}/{name}"
    command = ["curl", "-sS", "--max-time", 60, "--interface", CLIENT, "--cacert", room.site.certificate.file]
    return room.run(*command, "--user", "ann:ann-secret", *arguments, url, **options)


def both_ways(room, pair, *arguments, scheme="ftp"):
    """A file there and back; all that the servers tell of it is of the client."""
    before = len(pair.events(remote_ip=CLIENT))
    file = room.local("file.bin", 3_000_000)
    curl(room, pair, *arguments, "-T", file, scheme=scheme)
    same(room.there / "file.bin", file)
    curl(room, pair, *arguments, "-o", "got", scheme=scheme, name="file.bin")
    same(room.here / "got", file)
    expect("file.bin" in curl(room, pair, *arguments, scheme=scheme), "the file is not listed")
    (room.there / "file.bin").unlink()
    kinds = lambda: {event["event"] for event in pair.events(remote_ip=CLIENT)[before:]}
    wanted = {"ftp_client_connected", "ftp_login", "ftp_file_received", "ftp_file_sent", "ftp_client_disconnected"}
    eventually(lambda: wanted <= kinds(), f"the servers tell {kinds()} of {CLIENT}, not {wanted}")


def in_the_clear_and_in_tls(room, pair):
    both_ways(room, pair)
    both_ways(room, pair, "--disable-epsv")
    both_ways(room, pair, "--ssl-reqd")
    both_ways(room, pair, scheme="ftps")


@check
def haproxy_takes_the_example(room):
    room.run("haproxy", "-c", "-dW", "-f", CONF / "haproxy.cfg")


@check
def haproxy_carries_control_and_data_with_version_2(room):
    with Pair(room) as pair:
        in_the_clear_and_in_tls(room, pair)


@check
def haproxy_carries_control_and_data_with_version_1(room):
    with Pair(room, "send-proxy") as pair:
        in_the_clear_and_in_tls(room, pair)


@check
def haproxy_carries_control_alone_and_data_goes_past_it(room):
    for header in ["send-proxy-v2", "send-proxy"]:
        with Pair(room, header, data_past_it=True) as pair:
            # EPSV, which curl tries first, is refused.
            for options in [[], ["--ssl-reqd"]]:
                both_ways(room, pair, "--no-ftp-skip-pasv-ip", *options)
            both_ways(room, pair, "--no-ftp-skip-pasv-ip", scheme="ftps")
        room.here.joinpath("got").unlink()


@check
def haproxy_lets_a_server_connect_to_the_client(room):
    with Pair(room) as pair:
        both_ways(room, pair, "--ftp-port", CLIENT)


@check
def haproxy_mirrors_a_tree_on_many_connections(room):
    room.plant(room.here / "tree")
    with Pair(room) as pair:
        script = f"mirror -R --parallel=4 tree {room.path}/tree; mirror --parallel=4 {room.path}/tree back"
        settings = "set ssl:verify-certificate no; set ftp:ssl-force yes; set ftp:ssl-protect-data yes;"
        command = ["lftp", "-c", f"{settings} open -u ann,ann-secret ftp://{pair.host}:{pair.port}; {script}"]
        room.run(*command)
    same_trees(room.here / "back", room.here / "tree")


@check
def haproxy_looks_after_the_servers_and_nobody_is_told(room):
    for header in ["send-proxy-v2", "send-proxy"]:
        with Pair(room, header) as pair:
            node = pair.nodes["one"]
            # A second is five checks.
            time.sleep(1)
            sessions = [event for event in pair.events() if event.get("remote_ip") == PROXY]
            expect(not sessions, f"{header}: {sessions[:2]}")
            loud = [line for line in node.output.read_text().splitlines() if PROXY in line]
            expect(not loud, f"{header}: {loud[:2]}")


@check
def haproxy_tries_the_other_server_before_it_knows_that_one_is_down(room):
    # A check that fails ends what waits for that server, also who was about to be sent to the other one.
    with Pair(room, check_every="1h") as pair:
        goes_on_with_the_other(room, pair, lambda used: None)


@check
def haproxy_goes_on_without_a_server_that_is_down(room):
    with Pair(room) as pair:
        down = lambda used: f"ftp/{used} is DOWN" in pair.output.read_text()
        goes_on_with_the_other(room, pair, lambda used: eventually(lambda: down(used), f"{used} is not found down"))


def goes_on_with_the_other(room, pair, wait_for):
    both_ways(room, pair)
    [used] = {name for name, node in pair.nodes.items() if f'"{CLIENT}"' in node.journal.read_text()}
    pair.nodes[used].kill()
    wait_for(used)
    both_ways(room, pair)
    [other] = set(NODES) - {used}
    expect(f'"{CLIENT}"' in pair.nodes[other].journal.read_text(), "the other server was not asked")
