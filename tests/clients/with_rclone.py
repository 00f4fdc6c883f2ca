"""rclone: copy, sync, check, move, several transfers at once, MLSD and MFMT."""

import os

from check import check, expect, same, same_trees


def rclone(room, *arguments, server=None, port=None, **options):
    server = server or room.server
    # rclone 1.60 puts the host and ":PORT" together as they are.
    host = f"[{server.host}]" if ":" in server.host else server.host
    secret = room.run("rclone", "obscure", "ann-secret").strip()
    return room.run(
        "rclone", "--config", "", "--retries", 1, "--low-level-retries", 1, "--timeout", "30s",
        *arguments, **options,
        RCLONE_CONFIG_SITE_TYPE="ftp", RCLONE_CONFIG_SITE_HOST=host, RCLONE_CONFIG_SITE_PORT=str(port or server.port),
        RCLONE_CONFIG_SITE_USER="ann", RCLONE_CONFIG_SITE_PASS=secret,
    )  # fmt: skip


def at(room, name=""):
    return f"site:{room.path}/{name}"


@check
def rclone_copies_there_and_back(room):
    tree = room.plant(room.here / "tree")
    rclone(room, "copy", tree, at(room, "copy"))
    same_trees(room.there / "copy", tree)
    rclone(room, "copy", at(room, "copy"), room.here / "back")
    same_trees(room.here / "back", tree)


@check
def rclone_moves_20_megabytes_both_ways(room):
    file = room.local("big.bin", 20_000_000)
    rclone(room, "copyto", file, at(room, "big.bin"))
    same(room.there / "big.bin", file)
    rclone(room, "copyto", at(room, "big.bin"), room.here / "got")
    same(room.here / "got", file)


@check
def rclone_sync_deletes_what_is_gone(room):
    tree = room.plant(room.here / "tree")
    rclone(room, "sync", tree, at(room, "copy"))
    (tree / "top.bin").write_bytes(b"changed")
    (tree / "sub" / "ünï ☃.txt").unlink()
    room.remote("copy/surplus/file")
    rclone(room, "sync", tree, at(room, "copy"))
    expect(not (room.there / "copy" / "surplus" / "file").exists(), "the surplus file is still there")
    same(room.there / "copy" / "top.bin", b"changed")
    rclone(room, "check", "--download", tree, at(room, "copy"))


@check
def rclone_sync_keeps_times_and_repeats_nothing(room):
    tree = room.plant(room.here / "tree")
    os.utime(tree / "top.bin", (1_700_000_000, 1_700_000_000))
    rclone(room, "sync", tree, at(room, "copy"))
    arrived = (room.there / "copy" / "top.bin").stat().st_mtime
    expect(arrived == 1_700_000_000, f"the time arrived as {arrived}")
    rclone(room, "sync", "--dry-run", "-v", tree, at(room, "copy"))
    expect("Skipped copy" not in room.errors, room.errors)


@check
def rclone_check_finds_a_difference(room):
    tree = room.plant(room.here / "tree")
    rclone(room, "copy", tree, at(room, "copy"))
    (room.there / "copy" / "top.bin").write_bytes(bytes(200_000))
    rclone(room, "check", "--download", tree, at(room, "copy"), ok=(1,))
    expect("1 differences found" in room.errors, room.errors)


@check
def rclone_lists(room):
    room.plant(room.there)
    os.utime(room.there / "top.bin", (1_700_000_000, 1_700_000_000))
    lines = [line.strip() for line in rclone(room, "lsl", at(room)).splitlines()]
    expect("200000 2023-11-14 22:13:20.000000000 top.bin" in lines, lines)
    expect(any(line.endswith("sub/deeper/two words.txt") for line in lines), lines)
    directories = rclone(room, "lsf", "--dirs-only", at(room)).splitlines()
    expect(directories == ["-dash/", "many/", "sub/"], directories)


@check
def rclone_sees_a_missing_directory_as_missing(room):
    rclone(room, "lsf", at(room, "missing"), ok=(3,))


@check
def rclone_moves_renames_and_deletes(room):
    want = room.remote("old name").read_bytes()
    rclone(room, "moveto", at(room, "old name"), at(room, "sub directory/new name"))
    same(room.there / "sub directory" / "new name", want)
    rclone(room, "deletefile", at(room, "sub directory/new name"))
    rclone(room, "rmdir", at(room, "sub directory"))
    expect(not (room.there / "sub directory").exists(), "the directory is still there")
    room.plant(room.there / "tree")
    rclone(room, "purge", at(room, "tree"))
    expect(not (room.there / "tree").exists(), "the tree is still there")


@check
def rclone_makes_a_directory(room):
    rclone(room, "mkdir", at(room, "a/b c/d"))
    expect((room.there / "a" / "b c" / "d").is_dir(), "there is no directory")


@check
def rclone_reads_parts_and_writes_streams(room):
    file = room.remote("file.bin", data=bytes(range(97, 123)) * 1000)
    part = rclone(room, "cat", "--offset", 5000, "--count", 100, at(room, "file.bin"))
    expect(part.encode() == file.read_bytes()[5000:5100], "the part differs")
    rclone(room, "rcat", at(room, "streamed"), stdin="from a pipe")
    same(room.there / "streamed", b"from a pipe")


@check
def rclone_moves_awkward_names(room):
    for name in ["two words", "-dash", "ünï ☃", 'q"uote', "100% #1;x", "[brackets]", " blanks around "]:
        room.local(f"tree/{name}", 500)
    rclone(room, "copy", room.here / "tree", at(room, "copy"))
    rclone(room, "copy", at(room, "copy"), room.here / "back")
    same_trees(room.here / "back", room.here / "tree")


@check
def rclone_uses_ipv6(room):
    tree = room.plant(room.here / "tree")
    with room.site.serve("rclone-ipv6", "[::1]") as server:
        rclone(room, "copy", tree, at(room, "copy"), server=server)
    same_trees(room.there / "copy", tree)
