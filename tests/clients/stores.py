"""Object stores from PyPI, each with a server whose homes are in it: what their checks have in common."""

import functools
import sys
from pathlib import Path

from check import contents, eventually, expect, same, same_trees
from with_curl import curl, url
from with_lftp import lftp
from with_rclone import at, rclone

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "stores"))

import emulators

PART = 6_000_000


def added(site, kind):
    """One that the site ends."""
    emulator = kind(site.directory, python(site))
    site.servers.append(emulator)
    return emulator


@functools.cache
def python(site):
    return emulators.install(site.directory / "stores")


@functools.cache
def s3(site):
    """A server with homes in S3, and the store."""
    store = added(site, emulators.Moto)
    keys = 'access_key = "{}"\nsecret_key = "{}"\nparts_in_flight = 2\n'.format(*store.keys)
    return serve(site, "s3", store, keys), store


@functools.cache
def google(site):
    """The same for Google's."""
    store = added(site, emulators.Google)
    return serve(site, "gcs", store, ""), store


def serve(site, kind, store, more):
    file = site.directory / f"{kind}.conf"
    file.write_text(
        f'storage = "{kind}"\n[{kind}]\nbucket_name = "media"\nendpoint_url = "{store.url}"\nlocation = "ftp"\n'
        f'part_size = "6 MB"\n{more}'
    )
    return site.serve(kind, options=["--config", file])


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
