"""curl: EPSV, PASV, PORT and EPRT, ranges, the three ways to change directory, resume both ways."""

from urllib.parse import quote

from check import check, expect, noise, same

NAMES = ["two words.txt", "-dash", "ünï ☃.txt", 'q"uote', "100% #1;x", "[brackets]"]


def curl(room, *arguments, user="ann", **options):
    return room.run("curl", "-sS", "-g", "--max-time", 60, "--user", f"{user}:{user}-secret", *arguments, **options)


def url(room, name="", server=None):
    server = server or room.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"ftp://{host}:{server.port}{quote(room.path)}/{quote(name)}"


@check
def curl_uploads(room):
    file = room.local("file.bin")
    curl(room, "-T", file, url(room))
    same(room.there / "file.bin", file)


@check
def curl_downloads(room):
    file = room.remote("file.bin")
    curl(room, "-o", "got", url(room, "file.bin"))
    same(room.here / "got", file)


@check
def curl_moves_20_megabytes_both_ways(room):
    file = room.local("big.bin", 20_000_000)
    curl(room, "-T", file, url(room))
    same(room.there / "big.bin", file)
    curl(room, "-o", "got", url(room, "big.bin"))
    same(room.here / "got", file)


@check
def curl_moves_an_empty_file_both_ways(room):
    file = room.local("empty", 0)
    curl(room, "-T", file, url(room))
    same(room.there / "empty", file)
    curl(room, "-o", "got", url(room, "empty"))
    expect(not (room.here / "got").exists() or (room.here / "got").stat().st_size == 0, "the download is not empty")


@check
def curl_moves_awkward_names_both_ways(room):
    for number, name in enumerate(NAMES):
        file = room.local(f"{number}", 1_000)
        curl(room, "-T", file, url(room, name))
        same(room.there / name, file)
        curl(room, "-o", f"got{number}", url(room, name))
        same(room.here / f"got{number}", file)


@check
def curl_logs_in_with_the_default_hasher(room):
    curl(room, f"ftp://{room.server.host}:{room.server.port}/", user="dora")


@check
def curl_is_refused_a_wrong_password(room):
    room.run("curl", "-sS", "--user", "ann:wrong", url(room), ok=(67,))


@check
def curl_sees_a_missing_file_as_missing(room):
    curl(room, "-o", "got", url(room, "missing"), ok=(78,))


@check
def curl_resumes_a_download(room):
    file = room.remote("file.bin", 3_000_000)
    (room.here / "got").write_bytes(file.read_bytes()[:1_234_567])
    curl(room, "-C", "-", "-o", "got", url(room, "file.bin"))
    same(room.here / "got", file)


@check
def curl_resumes_an_upload(room):
    file = room.local("file.bin", 3_000_000)
    room.remote("file.bin", data=file.read_bytes()[:1_234_567])
    curl(room, "-C", "-", "-T", file, url(room))
    same(room.there / "file.bin", file)


@check
def curl_resumes_an_upload_that_is_not_there(room):
    file = room.local("file.bin")
    curl(room, "-C", "-", "-T", file, url(room))
    same(room.there / "file.bin", file)


@check
def curl_replaces_a_longer_file(room):
    file = room.local("file.bin", 10)
    room.remote("file.bin", 100_000)
    curl(room, "-T", file, url(room))
    same(room.there / "file.bin", file)


@check
def curl_appends(room):
    room.remote("file.bin", data=b"one ")
    file = room.local("more", data=b"two")
    curl(room, "--append", "-T", file, url(room, "file.bin"))
    same(room.there / "file.bin", b"one two")


@check
def curl_downloads_a_range(room):
    file = room.remote("file.bin", 5_000_000)
    curl(room, "-r", "1000-1999", "-o", "got", url(room, "file.bin"))
    same(room.here / "got", file.read_bytes()[1000:2000])
    curl(room, "-r", "-1000", "-o", "tail", url(room, "file.bin"))
    same(room.here / "tail", file.read_bytes()[-1000:])


@check
def curl_uploads_from_a_pipe(room):
    room.run("sh", "-c", f"printf 'from a pipe' | curl -sS --user ann:ann-secret -T - '{url(room, 'piped')}'")
    same(room.there / "piped", b"from a pipe")


@check
def curl_creates_missing_directories(room):
    file = room.local("file.bin")
    curl(room, "--ftp-create-dirs", "-T", file, url(room, "a/b c/file.bin"))
    same(room.there / "a" / "b c" / "file.bin", file)


@check
def curl_lists(room):
    room.remote("file.bin", 1234)
    (room.there / "sub").mkdir()
    lines = curl(room, url(room)).splitlines()
    expect(any(line.startswith("-rw") and " 1234 " in line and line.endswith(" file.bin") for line in lines), lines)
    expect(any(line.startswith("d") and line.endswith(" sub") for line in lines), lines)


@check
def curl_lists_names(room):
    for name in NAMES:
        room.remote(name, 1)
    names = curl(room, "-l", url(room)).splitlines()
    expect(sorted(names) == sorted(NAMES), names)


@check
def curl_lists_an_empty_directory(room):
    expect(curl(room, url(room)) == "", "LIST is not empty")
    expect(curl(room, "-l", url(room)) == "", "NLST is not empty")


@check
def curl_renames_and_deletes(room):
    file = room.remote("old name")
    want = file.read_bytes()
    curl(room, "-Q", f"RNFR {room.path}/old name", "-Q", f"RNTO {room.path}/new name", url(room))
    expect(not file.exists(), "the old name is still there")
    same(room.there / "new name", want)
    curl(room, "-Q", f"DELE {room.path}/new name", url(room))
    expect(not (room.there / "new name").exists(), "the file is still there")


@check
def curl_makes_and_removes_a_directory(room):
    curl(room, "-Q", f"MKD {room.path}/a directory", url(room))
    expect((room.there / "a directory").is_dir(), "there is no directory")
    curl(room, "-Q", f"RMD {room.path}/a directory", url(room))
    expect(not (room.there / "a directory").exists(), "the directory is still there")


@check
def curl_asks_for_size_and_time(room):
    import os

    file = room.remote("file.bin", 4321)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    head = curl(room, "-I", url(room, "file.bin"))
    expect("Content-Length: 4321" in head, head)
    expect("Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT" in head, head)
    curl(room, "-R", "-o", "got", url(room, "file.bin"))
    expect((room.here / "got").stat().st_mtime == 1_700_000_000, "the time did not come along")


@check
def curl_converts_line_ends_in_ascii(room):
    room.remote("text", data=b"one\ntwo\n")
    expect(curl(room, "--use-ascii", url(room, "text")).splitlines() == ["one", "two"], "the download differs")
    curl(room, "--use-ascii", "--crlf", "-T", room.local("up", data=b"one\ntwo\n"), url(room))
    same(room.there / "up", b"one\ntwo\n")


@check
def curl_reaches_a_file_in_every_way(room):
    file = room.remote("a/b/file.bin")
    for way in ["multicwd", "nocwd", "singlecwd"]:
        curl(room, "--ftp-method", way, "-o", way, url(room, "a/b/file.bin"))
        same(room.here / way, file)
        curl(room, "--ftp-method", way, "-T", file, url(room, f"a/b/{way}"))
        same(room.there / "a" / "b" / way, file)


@check
def curl_uses_pasv(room):
    both_ways(room, "--disable-epsv")


@check
def curl_uses_pasv_with_the_servers_address(room):
    both_ways(room, "--disable-epsv", "--no-ftp-skip-pasv-ip")


@check
def curl_uses_eprt(room):
    both_ways(room, "-P", "-")


@check
def curl_uses_port(room):
    both_ways(room, "-P", "-", "--disable-eprt")


@check
def curl_uses_ipv6(room):
    with room.site.serve("curl-ipv6", "[::1]") as server:
        both_ways(room, server=server)
        both_ways(room, "-P", "-", server=server)


@check
def curl_transfers_twenty_files_on_one_connection(room):
    wanted = {f"{number:02}": noise(10_000, number) for number in range(20)}
    arguments = []
    for name, data in wanted.items():
        room.remote(name, data=data)
        arguments += ["-o", f"got-{name}", url(room, name)]
    curl(room, *arguments)
    for name, data in wanted.items():
        same(room.here / f"got-{name}", data)


def both_ways(room, *arguments, server=None):
    file = room.local("file.bin", 300_000)
    curl(room, *arguments, "-T", file, url(room, server=server))
    same(room.there / "file.bin", file)
    curl(room, *arguments, "-o", "got", url(room, "file.bin", server))
    same(room.here / "got", file)
    expect("file.bin" in curl(room, *arguments, url(room, server=server)), "the file is not listed")
    (room.there / "file.bin").unlink()
