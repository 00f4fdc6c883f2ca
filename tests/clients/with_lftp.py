"""lftp: mirrors both ways, resume both ways, parallel segments, globs, times."""

import os

from check import check, expect, noise, same, same_trees

SETTINGS = (
    "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 20; set ftp:ssl-allow no;"
    " set xfer:clobber yes; set net:connection-limit 8;"
)


def lftp(room, commands, settings="", **options):
    user = f"open -u ann,ann-secret -p {room.server.port} {room.server.host}"
    return room.run("lftp", "-c", f"{SETTINGS} {settings} {user}; cd {room.path}; {commands}", **options)


@check
def lftp_uploads_and_downloads(room):
    file = room.local("file.bin")
    lftp(room, "put file.bin; get file.bin -o got")
    same(room.there / "file.bin", file)
    same(room.here / "got", file)


@check
def lftp_moves_20_megabytes_both_ways(room):
    file = room.local("big.bin", 20_000_000)
    lftp(room, "put big.bin; get big.bin -o got")
    same(room.there / "big.bin", file)
    same(room.here / "got", file)


@check
def lftp_moves_an_empty_file_both_ways(room):
    file = room.local("empty", 0)
    lftp(room, "put empty; get empty -o got")
    same(room.there / "empty", file)
    same(room.here / "got", file)


@check
def lftp_uses_active_mode(room):
    file = room.local("file.bin")
    lftp(room, "put file.bin; get file.bin -o got; cls", settings="set ftp:passive-mode off;")
    same(room.there / "file.bin", file)
    same(room.here / "got", file)


@check
def lftp_uses_epsv(room):
    file = room.local("file.bin")
    lftp(room, "put file.bin; get file.bin -o got", settings="set ftp:prefer-epsv yes;")
    same(room.there / "file.bin", file)
    same(room.here / "got", file)


@check
def lftp_continues_a_download(room):
    file = room.remote("file.bin", 3_000_000)
    (room.here / "file.bin").write_bytes(file.read_bytes()[:1_234_567])
    lftp(room, "get -c file.bin")
    same(room.here / "file.bin", file)


@check
def lftp_continues_an_upload(room):
    file = room.local("file.bin", 3_000_000)
    room.remote("file.bin", data=file.read_bytes()[:1_234_567])
    lftp(room, "put -c file.bin")
    same(room.there / "file.bin", file)


@check
def lftp_reputs(room):
    file = room.local("file.bin", 3_000_000)
    room.remote("file.bin", data=file.read_bytes()[:1])
    lftp(room, "reput file.bin")
    same(room.there / "file.bin", file)


@check
def lftp_downloads_in_parallel_segments(room):
    file = room.remote("file.bin", 8_000_000)
    lftp(room, "pget -n 4 file.bin -o got")
    same(room.here / "got", file)


@check
def lftp_mirrors_a_tree_there_and_back(room):
    tree = room.plant(room.here / "tree")
    lftp(room, "mirror -R tree copy; mirror copy back")
    same_trees(room.there / "copy", tree)
    same_trees(room.here / "back", tree)


@check
def lftp_mirrors_a_tree_of_twenty_levels(room):
    names = ["-dash", "two words", "ünï ☃", " blanks around ", "100% #1"] * 4
    for depth in range(1, len(names) + 1):
        directory = "/".join(names[:depth])
        room.local(f"tree/{directory}/-file {depth} ☃", depth * 1000)
        room.local(f"tree/{directory}/empty", 0)
    lftp(room, "mirror -R tree copy; mirror copy back")
    same_trees(room.there / "copy", room.here / "tree")
    same_trees(room.here / "back", room.here / "tree")


@check
def lftp_mirrors_a_tree_in_parallel(room):
    tree = room.plant(room.here / "tree")
    lftp(room, "mirror -R -P 4 tree copy; mirror -P 4 copy back")
    same_trees(room.there / "copy", tree)
    same_trees(room.here / "back", tree)


@check
def lftp_mirror_keeps_times_and_repeats_nothing(room):
    tree = room.plant(room.here / "tree")
    os.utime(tree / "top.bin", (1_700_000_000, 1_700_000_000))
    lftp(room, "mirror -R tree copy")
    arrived = (room.there / "copy" / "top.bin").stat().st_mtime
    expect(arrived == 1_700_000_000, f"the time arrived as {arrived}")
    again = lftp(room, "mirror -R -v --no-perms tree copy; mirror -v --no-perms copy tree")
    expect("Transferring" not in again, again)


@check
def lftp_mirror_deletes_what_is_gone(room):
    tree = room.plant(room.here / "tree")
    room.plant(room.there / "copy")
    room.remote("copy/sub/surplus")
    room.remote("copy/surplus directory/file")
    lftp(room, "mirror -R --delete tree copy")
    same_trees(room.there / "copy", tree)


@check
def lftp_lists(room):
    room.plant(room.there)
    expect("top.bin" in lftp(room, "ls"), "ls lacks the file")
    names = set(lftp(room, "cls -1").split("\n"))
    expect({"-dash/", "empty", "many/", "sub/", "top.bin"} <= names, names)
    names = set(lftp(room, "nlist sub").split("\n"))
    expect(any(name.endswith("ünï ☃.txt") for name in names), names)
    found = set(lftp(room, "find").split("\n"))
    expect("./sub/deeper/two words.txt" in found, found)


@check
def lftp_lists_without_mlsd(room):
    tree = room.plant(room.there / "tree")
    lftp(room, "mirror tree back", settings="set ftp:use-mlsd no; set ftp:use-feat no;")
    same_trees(room.here / "back", tree)


@check
def lftp_renames_deletes_and_makes_directories(room):
    want = room.remote("old name").read_bytes()
    lftp(room, "mv 'old name' 'new name'; mkdir -p 'a/b c/d'; mv 'new name' 'a/b c/d/'")
    same(room.there / "a" / "b c" / "d" / "new name", want)
    lftp(room, "rm 'a/b c/d/new name'; rmdir 'a/b c/d'")
    expect([path.name for path in (room.there / "a").iterdir()] == ["b c"], "the directory is still there")
    room.plant(room.there / "tree")
    lftp(room, "rm -r tree")
    expect(not (room.there / "tree").exists(), "the tree is still there")


@check
def lftp_gets_and_puts_by_pattern(room):
    for number in range(5):
        room.remote(f"{number}.dat", data=noise(500, number))
        room.local(f"{number}.up", data=noise(700, number))
    room.remote("other.txt")
    lftp(room, "mget *.dat; mput *.up")
    for number in range(5):
        same(room.here / f"{number}.dat", noise(500, number))
        same(room.there / f"{number}.up", noise(700, number))
    expect(not (room.here / "other.txt").exists(), "it took a file that does not match")


@check
def lftp_moves_awkward_names(room):
    (room.here / "down").mkdir()
    for name in ["two words", "-dash", "ünï ☃", "100% #1"]:
        file = room.local(name, 1_000)
        lftp(room, f"put -- '{name}'; lcd down; get -- '{name}'")
        same(room.there / name, file)
        same(room.here / "down" / name, file)


@check
def lftp_changes_a_mode(room):
    file = room.remote("file.bin")
    lftp(room, "chmod 640 file.bin")
    expect(file.stat().st_mode & 0o777 == 0o640, f"the mode is {file.stat().st_mode:o}")


@check
def lftp_sees_a_missing_file_as_missing(room):
    lftp(room, "get missing", ok=(1,))
    expect("550" in room.errors, room.errors)
