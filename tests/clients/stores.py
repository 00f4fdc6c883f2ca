"""Object stores from PyPI, each with a server whose homes are in it: moto, which here demands right signatures as S3
does, and gcp-storage-emulator. What their checks have in common."""

import functools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import django_site
from check import Failure, contents, eventually, expect, same, same_trees
from site_under_test import START_SECONDS, free_ports
from with_curl import curl, url
from with_lftp import lftp
from with_rclone import at, rclone

REQUIREMENTS = Path(__file__).resolve().with_name("requirements-stores.txt")
PART = 6_000_000
# What moto is told and asked before it demands signatures.
WITHOUT_SIGNATURE = 4


class Store:
    """A process that serves a bucket `media`."""

    def __init__(self, site, name, module, *arguments, **environment):
        self.name = name
        self.output = site.directory / f"{name}.output"
        self.port, _ = free_ports("127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-B", "-m", module, *(word.format(port=self.port) for word in arguments)]
        environment = dict(os.environ, PYTHONPATH=str(packages(site))) | environment
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=site.directory, env=environment, stdout=output, stderr=output)
        site.servers.append(self)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until or not self.running():
                    raise Failure(f"{name} did not start: ...{self.last_output()[-300:]}")
                time.sleep(0.05)

    def running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def last_output(self):
        return self.output.read_text(errors="replace")[-3000:]


@functools.cache
def packages(site):
    """Apart from the site's own: they bring many others."""
    directory = site.directory / "stores"
    django_site.install(sys.executable, "--target", directory, "--requirement", REQUIREMENTS)
    return directory


@functools.cache
def s3(site):
    """A server with homes in S3, and a function that runs Python with `s3`, a client of boto3."""
    store = Store(site, "moto", "moto.server", "-p{port}", INITIAL_NO_AUTH_ACTION_COUNT=str(WITHOUT_SIGNATURE))
    first = run_with_boto(
        site, store, "x", "y",
        "import json, sys; iam.create_user(UserName='ftp')\n"
        "key = iam.create_access_key(UserName='ftp')['AccessKey']\n"
        "may = {'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}]}\n"
        "iam.put_user_policy(UserName='ftp', PolicyName='p', PolicyDocument=json.dumps(may))\n"
        "s3.create_bucket(Bucket='media'); print(json.dumps([key['AccessKeyId'], key['SecretAccessKey']]))",
    )  # fmt: skip
    keys = json.loads(first)
    server = serve(site, "s3", store, f'access_key = "{keys[0]}"\nsecret_key = "{keys[1]}"\nparts_in_flight = 2\n')
    return server, lambda script: run_with_boto(site, store, *keys, script)


def run_with_boto(site, store, access_key, secret_key, script):
    start = (
        "import boto3\n"
        f"about = dict(endpoint_url='{store.url}', region_name='us-east-1', aws_access_key_id='{access_key}', "
        f"aws_secret_access_key='{secret_key}')\ns3, iam = boto3.client('s3', **about), boto3.client('iam', **about)\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(packages(site)))
    done = subprocess.run([sys.executable, "-B", "-c", start + script], env=environment, capture_output=True, text=True)
    expect(done.returncode == 0, done.stderr[-500:])
    return done.stdout


@functools.cache
def google(site):
    """A server with homes in Google's store, as far as the emulator is that."""
    arguments = ["start", "--host=127.0.0.1", "--port={port}", "--in-memory", "--default-bucket=media"]
    store = Store(site, "gcp-storage-emulator", "gcp_storage_emulator", *arguments)
    return serve(site, "gcs", store, ""), store


def serve(site, kind, store, more):
    file = site.directory / f"{kind}.conf"
    file.write_text(
        f'storage = "{kind}"\n[{kind}]\nbucket_name = "media"\nendpoint_url = "{store.url}"\nlocation = "ftp"\n'
        f'part_size = "6 MB"\n{more}'
    )
    return site.serve(kind, options=["--config", file])


def objects_of_google(store):
    with urllib.request.urlopen(f"{store.url}/storage/v1/b/media/o") as answer:
        return [item["name"] for item in json.load(answer).get("items", [])]


def enter(room, server):
    """The room's directory is in the bucket."""
    room.server = server
    path, room.path = room.path, "/"
    lftp(room, f"mkdir {path}")
    room.path = path
    return room


def mirrors(room):
    tree = room.plant(room.here / "tree")
    lftp(room, "mirror -R --no-perms tree copy; mirror copy back")
    same_trees(room.here / "back", tree)
    lftp(room, "mv copy moved; mirror -P 3 moved again; rm -r moved")
    same_trees(room.here / "again", tree)
    expect("moved" not in lftp(room, "cls"), "the tree is still there")


def sizes(room):
    """Nothing, less than a part, exactly one, and several."""
    for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART, 20_000_000]:
        file = room.local(f"{size}", size)
        curl(room, "-T", file, url(room))
        curl(room, "-o", "got", url(room, f"{size}"))
        have = room.here / "got"
        same(have if have.exists() else b"", file)
        have.unlink(missing_ok=True)


def resumes(room):
    file = room.local("file.bin", 3 * PART)
    curl(room, "-T", file, url(room))
    (room.here / "half").write_bytes(contents(file)[:1_234_567])
    curl(room, "-C", "-", "-o", "half", url(room, "file.bin"))
    same(room.here / "half", file)
    curl(room, "-r", "100-199", "-o", "part", url(room, "file.bin"))
    same(room.here / "part", contents(file)[100:200])
    # curl goes on with APPE where there is something already.
    half = room.local("half.bin", data=contents(file)[: 2 * PART])
    curl(room, "-T", half, url(room, "grown.bin"))
    curl(room, "-C", "-", "-T", file, url(room, "grown.bin"))
    curl(room, "-o", "whole", url(room, "grown.bin"))
    same(room.here / "whole", file)


def awkward_names(room):
    for number, name in enumerate(["two words", "-dash", "ünï ☃", "100% #1;x", "a+b&c=d", "[x]", 'q"uote', "<a>&amp;"]):
        file = room.local(f"{number}", 1_000)
        curl(room, "-T", file, url(room, name))
        curl(room, "-o", f"got{number}", url(room, name))
        same(room.here / f"got{number}", file)
        expect(name in curl(room, "--list-only", url(room)).splitlines(), f"{name} is not listed")


def copies(room):
    tree = room.plant(room.here / "tree")
    rclone(room, "copy", tree, at(room, "copy"))
    rclone(room, "copy", at(room, "copy"), room.here / "back")
    for path in (path for path in tree.rglob("*") if path.is_file()):
        same(room.here / "back" / path.relative_to(tree), path)


def breaks(room, uploads_left):
    """A client that is killed while it sends."""
    file = room.local("large.bin", 60_000_000)
    room.run(
        "timeout", "--signal=KILL", "1.5", "curl", "-sS", "-T", file, "--limit-rate", "20M",
        "--user", "ann:ann-secret", url(room), ok=(-9, 137),
    )  # fmt: skip
    eventually(lambda: uploads_left() == 0, "there are uploads left")
    expect("large.bin" not in curl(room, "--list-only", url(room)), "half a file is there")
