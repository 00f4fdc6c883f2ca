"""A fleet on loopback, with the files of conf/fleet: three nodes of Garage, two FTP servers, each with an HAProxy of its own
in front of the store, and the HAProxy that clients know."""

import json
import socket
import subprocess
import time
from functools import cached_property

from check import Failure
from garage import Garage, Network
from host import CONF, ROOT, adapted

EXAMPLES = CONF / "fleet"
PROXY = "10.0.0.2"
EXPORT = ROOT / "tests/fixtures/export.json"
# The group of the fixture's accounts names the directory.
HOME = "ftp/nonexistent/ann/"
LOGIN = ("ann", "ann-secret")
START_SECONDS = 20
FTP_PORT = 2121


class FtpNode:
    """A server, and the HAProxy that it finds the store by."""

    def __init__(self, fleet, number):
        network, garage = fleet.network, fleet.garage
        self.binary = fleet.binary
        self.name = f"ftp{number}"
        self.directory = fleet.directory / self.name
        self.directory.mkdir()
        self.address = network.here(f"10.0.0.{10 + number}")
        self.journal = self.directory / "events.jsonl"
        self.output = self.directory / "output"
        self.export = self.directory / "users.json"
        self.export.write_text(accounts())
        self.store = adapted(
            EXAMPLES / "store.cfg",
            self.directory / "store.cfg",
            {"127.0.0.1:3900": f"{self.address}:3900", "10.0.0": network.prefix},
        )
        fleet.start("haproxy", "-db", "-f", self.store)
        changes = {
            "0.0.0.0:21": f"{self.address}:{FTP_PORT}",
            PROXY: network.here(PROXY),
            "/srv/site/users.jsonl": self.export,
            "/var/log/django-ftpd/events.jsonl": self.journal,
            "http://127.0.0.1:3900": f"http://{self.address}:3900",
            "GK31c2f218a2e44f485b94239e": garage.access_key,
            "b892c0665f0ada8a4755dae98baa3b133590e11dae3bcc1f9d769d67f16c3835": garage.secret_key,
            "\nstorage =": f'\nbanner = "{self.name}"\nstorage =',
        }
        if number == 2:
            changes["30000-30099"] = "30100-30199"
            # Data goes past the proxy to this one, as conf/haproxy has it, too.
            changes["\nexport"] = f'\nmasquerade_address = "{self.address}"\nmasquerade_local = true\nexport'
        self.file = adapted(EXAMPLES / "django-ftpd.conf", self.directory / "django-ftpd.conf", changes)
        self.process = None
        self.start()

    def start(self):
        with self.output.open("ab") as output:
            command = [self.binary, "serve", "--config", self.file]
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def events(self, *kinds):
        """What its journal has of them."""
        lines = self.journal.read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["event"] in kinds]

    def last_output(self):
        return self.output.read_text(errors="replace")[-3000:]


def accounts():
    """Ann's, as dumpdata writes them."""
    hers = ["auth.user", "django_ftpserver.ftpusergroup", "django_ftpserver.ftpuseraccount"]
    rows = json.loads(EXPORT.read_text())
    rows = [row for row in rows if row["model"] == "auth.group" or row["model"] in hers and row["pk"] == 1]
    return json.dumps(rows)


class Fleet:
    def __init__(self, binary, directory):
        self.binary = binary
        self.directory = directory
        self.output = directory / "output"
        self.network = Network()
        self.address = self.network.here(PROXY)
        self.processes = []
        self.nodes = []
        self.garage = None
        self._notes = []

    def note(self, figure):
        """For the line of the check."""
        self._notes.append(figure)

    def take_notes(self):
        notes, self._notes = self._notes, []
        return notes

    @cached_property
    def storm(self):
        """Fifty transfers, which run when the first check asks for them."""
        from storm import Storm

        return Storm(self)

    def __enter__(self):
        try:
            self.garage = Garage(self.directory, network=self.network)
            self.nodes = [FtpNode(self, number) for number in (1, 2)]
            self.file = adapted(CONF / "haproxy/haproxy.cfg", self.directory / "haproxy.cfg", self._changes())
            self.start("haproxy", "-db", "-f", self.file)
            self.wait_for({node.name for node in self.nodes})
        except BaseException:
            self.__exit__()
            raise
        return self

    def _changes(self):
        """Of the proxy's file: nothing of this system, the addresses, and data of the first server only."""
        content = (CONF / "haproxy/haproxy.cfg").read_text()
        return {
            "    log /dev/log local0\n    user haproxy\n    group haproxy\n": "",
            "    log global\n    option tcplog\n": "",
            # All clients are on one host.
            "balance source\n    hash-type consistent": "balance leastconn",
            "inter 2s": "inter 500ms",
            "bind :21\n": f"bind {PROXY}:{FTP_PORT}\n",
            "bind :990": f"bind {PROXY}:9900",
            "bind :30000": f"bind {PROXY}:30000",
            content[content.index("listen data-two") :]: "",
            "10.0.0.11:21\n": f"10.0.0.11:{FTP_PORT}\n",
            "10.0.0.12:21\n": f"10.0.0.12:{FTP_PORT}\n",
            # On loopback, a process that does not say from where it connects does so from 127.0.0.1.
            "send-proxy-v2 ": f"send-proxy-v2 source {PROXY} ",
            " send-proxy-v2\n": f" send-proxy-v2 source {PROXY}\n",
            "10.0.0": self.network.prefix,
        }

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()
            process.wait()
        for node in self.nodes:
            node.kill()
        if self.garage:
            self.garage.kill()

    def start(self, *command):
        with self.output.open("ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.processes.append(process)

    def wait_for(self, names):
        """Until just these nodes greet clients who come through HAProxy."""
        until, met = time.monotonic() + START_SECONDS, []
        while set(met[-6:]) != names or len(met) < 6:
            if time.monotonic() > until:
                raise Failure(f"the nodes are not {names}, but {met[-6:]}: {self.last_output()}")
            met.append(self.who_greets())

    def who_greets(self):
        try:
            with socket.create_connection((self.address, FTP_PORT), timeout=5) as connection:
                words = connection.recv(100).decode().split()
                connection.sendall(b"QUIT\r\n")
                connection.recv(100)
                return words[1]
        except (OSError, IndexError):
            time.sleep(0.1)
            return None

    def node(self, name):
        return next(node for node in self.nodes if node.name == name)

    def last_output(self):
        nodes = "\n".join(f"{node.name}:\n{node.last_output()}" for node in [*self.nodes, *self.garage.nodes])
        return f"{nodes}\nHAProxy:\n{self.output.read_text()[-3000:]}"
