"""tnftp, the BSD `ftp`: commands on its standard input, URLs on its command line."""

from urllib.parse import quote

from check import check, expect, noise, same


def tnftp(room, *commands, mode="-p"):
    """Plays the commands in the room's directory. Its exit status says nothing, so checks look at the files."""
    lines = ["user ann ann-secret", "binary", f"cd {room.path}", *commands, "quit"]
    script = "".join(f"{line}\n" for line in lines)
    return room.run("tnftp", mode, "-n", "-i", "-v", room.server.host, room.server.port, stdin=script)


@check
def tnftp_uploads_and_downloads(room):
    file = room.local("file.bin")
    tnftp(room, "put file.bin", "get file.bin got")
    same(room.there / "file.bin", file)
    same(room.here / "got", file)


@check
def tnftp_uses_active_mode(room):
    file = room.local("file.bin")
    tnftp(room, "put file.bin", "get file.bin got", "ls", mode="-A")
    same(room.there / "file.bin", file)
    same(room.here / "got", file)


@check
def tnftp_moves_20_megabytes_both_ways(room):
    file = room.local("big.bin", 20_000_000)
    tnftp(room, "put big.bin", "get big.bin got")
    same(room.there / "big.bin", file)
    same(room.here / "got", file)


@check
def tnftp_moves_an_empty_file_both_ways(room):
    file = room.local("empty", 0)
    tnftp(room, "put empty", "get empty got")
    same(room.there / "empty", file)
    same(room.here / "got", file)


@check
def tnftp_moves_awkward_names(room):
    for name in ["two words", "-dash", "ünï ☃"]:
        file = room.local(name, 1_000)
        tnftp(room, f'put "{name}" "{name}"', f'get "{name}" got')
        same(room.there / name, file)
        same(room.here / "got", file)


@check
def tnftp_regets(room):
    file = room.remote("file.bin", 3_000_000)
    (room.here / "file.bin").write_bytes(file.read_bytes()[:1_234_567])
    tnftp(room, "reget file.bin")
    same(room.here / "file.bin", file)


@check
def tnftp_restarts_an_upload(room):
    file = room.local("file.bin", 3_000_000)
    room.remote("file.bin", data=file.read_bytes()[:1_234_567])
    tnftp(room, "restart 1234567", "put file.bin")
    same(room.there / "file.bin", file)


@check
def tnftp_appends(room):
    room.remote("file", data=b"one ")
    room.local("more", data=b"two")
    tnftp(room, "append more file")
    same(room.there / "file", b"one two")


@check
def tnftp_gets_and_puts_by_pattern(room):
    for number in range(5):
        room.remote(f"{number}.dat", data=noise(500, number))
        room.local(f"{number}.up", data=noise(700, number))
    tnftp(room, "mget *.dat", "mput *.up")
    for number in range(5):
        same(room.here / f"{number}.dat", noise(500, number))
        same(room.there / f"{number}.up", noise(700, number))


@check
def tnftp_lists(room):
    room.plant(room.there)
    output = tnftp(room, "ls", "ls many listing", "nlist . names", "mlsd", "mlst top.bin")
    expect(" top.bin" in output, output)
    expect("29.dat" in (room.here / "listing").read_text(), "ls DIRECTORY FILE")
    expect("top.bin" in (room.here / "names").read_text(), "nlist")
    expect("type=file" in output.lower(), "mlst")


@check
def tnftp_renames_and_deletes(room):
    want = room.remote("old name").read_bytes()
    tnftp(room, 'rename "old name" "new name"')
    same(room.there / "new name", want)
    tnftp(room, 'delete "new name"')
    expect(not (room.there / "new name").exists(), "the file is still there")


@check
def tnftp_makes_and_removes_directories(room):
    output = tnftp(room, 'mkdir "a directory"', 'cd "a directory"', "pwd", "cdup", 'rmdir "a directory"', "mkdir kept")
    expect(f"{room.path}/a directory" in output, output)
    expect(sorted(path.name for path in room.there.iterdir()) == ["kept"], "the wrong directories are there")


@check
def tnftp_asks_for_size_time_and_features(room):
    room.remote("file.bin", 4321)
    output = tnftp(room, "size file.bin", "modtime file.bin", "system", "remotehelp", "features", "rstatus", "idle")
    expect("4321" in output, output)
    expect("UNIX" in output and "MLST" in output, output)


@check
def tnftp_downloads_and_uploads_urls(room):
    file = room.remote("two words", 50_000)
    base = f"ftp://ann:ann-secret@{room.server.host}:{room.server.port}/{quote(room.path.strip('/'))}"
    room.run("tnftp", "-V", "-o", "got", f"{base}/{quote('two words')}")
    same(room.here / "got", file)
    up = room.local("up.bin", 50_000)
    room.run("tnftp", "-V", "-u", f"{base}/up.bin", "up.bin")
    same(room.there / "up.bin", up)
