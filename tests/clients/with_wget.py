"""wget: downloads, resume, patterns, recursion, which reads LIST, and time stamps."""

import os
from urllib.parse import quote

from check import check, expect, same, same_trees


def wget(room, *arguments, **options):
    login = ["--user=ann", "--password=ann-secret", "--tries=1", "--timeout=30", "-nv"]
    return room.run("wget", *login, *arguments, **options)


def url(room, name="", server=None):
    server = server or room.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"ftp://{host}:{server.port}{room.path}/{quote(name, safe='/*?')}"


@check
def wget_downloads(room):
    file = room.remote("file.bin")
    wget(room, url(room, "file.bin"))
    same(room.here / "file.bin", file)


@check
def wget_downloads_20_megabytes(room):
    file = room.remote("big.bin", 20_000_000)
    wget(room, url(room, "big.bin"))
    same(room.here / "big.bin", file)


@check
def wget_downloads_an_empty_file(room):
    file = room.remote("empty", 0)
    wget(room, url(room, "empty"))
    same(room.here / "empty", file)


@check
def wget_downloads_awkward_names(room):
    for name in ["two words", "-dash", "ünï ☃", "100% #1;x"]:
        file = room.remote(name, 1_000)
        wget(room, "-O", "got", url(room, name))
        same(room.here / "got", file)


@check
def wget_resumes(room):
    file = room.remote("file.bin", 3_000_000)
    (room.here / "file.bin").write_bytes(file.read_bytes()[:1_234_567])
    wget(room, "-c", url(room, "file.bin"))
    same(room.here / "file.bin", file)


@check
def wget_uses_active_mode(room):
    file = room.remote("file.bin")
    wget(room, "--no-passive-ftp", url(room, "file.bin"))
    same(room.here / "file.bin", file)


@check
def wget_uses_ipv6(room):
    file = room.remote("file.bin")
    with room.site.serve("wget-ipv6", "[::1]") as server:
        wget(room, url(room, "file.bin", server))
        same(room.here / "file.bin", file)
        wget(room, "--no-passive-ftp", "-O", "active", url(room, "file.bin", server))
        same(room.here / "active", file)


@check
def wget_gets_by_pattern(room):
    for name in ["a.dat", "b.dat", "c.txt"]:
        room.remote(name, 1_000)
    wget(room, url(room, "*.dat"))
    got = sorted(path.name for path in room.here.iterdir() if path.suffix in (".dat", ".txt"))
    expect(got == ["a.dat", "b.dat"], got)


@check
def wget_downloads_a_tree(room):
    tree = room.plant(room.there / "tree")
    wget(room, "-r", "-l", "inf", "-nH", "--cut-dirs=1", "--preserve-permissions", url(room, "tree/"))
    same_trees(room.here / "tree", tree)


@check
def wget_keeps_times_and_repeats_nothing(room):
    file = room.remote("file.bin")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    wget(room, "-N", url(room, "file.bin"))
    expect(abs((room.here / "file.bin").stat().st_mtime - 1_700_000_000) < 86_400, "the time did not come along")
    wget(room, "-N", url(room, "file.bin"))
    expect('-> "file.bin"' not in room.errors, f"it was downloaded again: {room.errors}")


@check
def wget_saves_a_listing(room):
    room.remote("file.bin", 1234)
    wget(room, "-O", "listing", url(room))
    expect("file.bin" in (room.here / "listing").read_text(), "the listing lacks the file")


@check
def wget_sees_a_missing_file_as_missing(room):
    wget(room, url(room, "missing"), ok=(8,))
