#!/usr/bin/env python3
"""Garage, a distributed store that speaks S3, on loopback: three nodes with conf/fleet/garage.toml, or one.

    tests/fleet/garage.py --nodes 1              prints where it is, as variables, and serves until its input ends
    tests/fleet/garage.py tests/stores/run s3    runs a command that finds it by these variables

The program is `garage` in PATH, 2.5 or newer.
"""

import argparse
import json
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "clients"), str(HERE.parent / "conf")]

from check import Failure
from host import CONF, adapted, run

START_SECONDS = 30
BUCKET = "media"
REGION = "garage"


class Network:
    """Hosts of the examples, each an address of its own on loopback, so that they can keep their ports."""

    def __init__(self):
        self.prefix = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}"

    def here(self, example):
        """What 10.0.0.N is here."""
        return example.replace("10.0.0", self.prefix)


class Node:
    """One process of Garage, with what it keeps."""

    def __init__(self, network, directory, number, count, secret, log):
        self.name = f"store{number}"
        self.directory = directory / self.name
        self.address = network.here(f"10.0.0.{20 + number}")
        self.url = f"http://{self.address}:3900"
        changes = {
            "/var/lib/garage": self.directory,
            "10.0.0.21": self.address,
            "0.0.0.0": self.address,
            '"' + "0" * 64 + '"': f'"{secret}"',
            "replication_factor = 3": f"replication_factor = {count}",
        }
        self.file = adapted(CONF / "fleet/garage.toml", self.directory / "garage.toml", changes)
        self.output = self.directory / "output"
        self.log = log
        self.process = None
        self.start()

    def start(self):
        with self.output.open("ab") as output:
            command = ["garage", "-c", self.file, "server"]
            how = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            self.process = subprocess.Popen(command, env=os.environ | {"RUST_LOG": self.log, "NO_COLOR": "1"}, **how)

    def running(self):
        return self.process.poll() is None

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def garage(self, *words):
        return run("garage", "-c", self.file, *words, seconds=START_SECONDS)

    def wait_until_it_serves(self):
        """It says itself whether it finds as many others as it needs."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://{self.address}:3903/health", timeout=5).close()
                return
            except OSError:
                if time.monotonic() > until or not self.running():
                    raise Failure(f"{self.name} does not serve: ...{self.last_output()[-300:]}")
                time.sleep(0.05)

    def last_output(self):
        return self.output.read_text(errors="replace")[-3000:]


class Garage:
    """The cluster, with a bucket and a key."""

    name = "garage"

    def __init__(self, directory, count=3, network=None, log="warn"):
        network, secret = network or Network(), secrets.token_hex(32)
        self.nodes = [Node(network, Path(directory), number, count, secret, log) for number in range(1, count + 1)]
        try:
            self._join()
            self._make_bucket()
        except BaseException:
            self.kill()
            raise

    @property
    def url(self):
        return self.nodes[0].url

    def _join(self):
        first = self.nodes[0]
        names = [self._name(node) for node in self.nodes]
        for name in names[1:]:
            first.garage("node", "connect", name)
        for number, name in enumerate(names, 1):
            first.garage("layout", "assign", "--zone", f"zone{number}", "--capacity", "10GB", name.split("@")[0])
        first.garage("layout", "apply", "--version", "1")
        for node in self.nodes:
            node.wait_until_it_serves()

    def take_back(self, node):
        """Starts it again. The others would look for it by themselves, but the longer it was away, the later."""
        node.start()
        self._name(node)
        for other in self.nodes:
            if other is not node:
                node.garage("node", "connect", self._name(other))
        node.wait_until_it_serves()

    def _name(self, node):
        """ID@HOST:PORT, once it can be told."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                node.garage("status")
                return node.garage("node", "id", "--quiet").split()[-1]
            except Failure:
                if time.monotonic() > until or not node.running():
                    raise Failure(f"{node.name} did not start: ...{node.last_output()[-300:]}")
                time.sleep(0.1)

    def _make_bucket(self):
        first = self.nodes[0]
        first.garage("bucket", "create", BUCKET)
        key = first.garage("key", "create", "ftp")
        self.access_key, self.secret_key = (re.search(rf"{what}: +(\S+)", key).group(1) for what in ["Key ID", "Secret key"])
        first.garage("bucket", "allow", "--read", "--write", "--owner", "--key", "ftp", BUCKET)

    def section(self):
        """What a server has to know whose homes are to be there."""
        keys = {"bucket_name": BUCKET, "endpoint_url": self.url, "region_name": REGION}
        keys |= {"access_key": self.access_key, "secret_key": self.secret_key}
        return "[s3]\n" + "".join(f'{name} = "{value}"\n' for name, value in keys.items())

    def s3(self, node=None):
        """boto3, by one of the nodes."""
        import boto3

        keys = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        return boto3.client("s3", endpoint_url=(node or self.nodes[0]).url, region_name=REGION, **keys)

    def unfinished(self):
        """How many uploads in parts have only begun."""
        answer = self.nodes[-1].garage("json-api", "GetBucketInfo", json.dumps({"globalAlias": BUCKET}))
        return json.loads(answer[answer.index("{") :])["unfinishedMultipartUploads"]

    def variables(self):
        """What the black-box tests have to know."""
        about = {"STORAGE": "s3", "ENDPOINT": self.url, "BUCKET": BUCKET, "REGION": REGION}
        about |= {"ACCESS_KEY": self.access_key, "SECRET_KEY": self.secret_key}
        return {f"DJANGO_FTPD_TEST_{name}": value for name, value in about.items()}

    def running(self):
        return any(node.running() for node in self.nodes)

    def kill(self):
        for node in self.nodes:
            node.kill()

    def last_output(self):
        return "\n".join(f"{node.name}:\n{node.last_output()}" for node in self.nodes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, choices=[1, 3], default=3)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="django-ftpd-garage-") as directory:
        garage = Garage(directory, arguments.nodes)
        try:
            sys.exit(serve(garage, arguments.command))
        finally:
            garage.kill()


def serve(garage, command):
    """The exit status."""
    if command:
        return subprocess.run(command, env=os.environ | garage.variables()).returncode
    for name, value in garage.variables().items():
        print(f"{name}={value}", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    main()
