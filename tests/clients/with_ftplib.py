"""Python's ftplib: reply codes, every kind of data connection, transfers cut off in the middle."""

import ftplib
import io
import socket
import struct
import time

from check import TOO_LONG, check, expect, noise, same

NAMES = [
    "two words",
    "-dash",
    "ünï ☃",
    " blanks around ",
    'q"uote',
    "100% #1;x",
    "[brackets]*",
    "back\\slash",
    "~",
    "a" * 255,
]


def login(room, server=None, user="ann", **options):
    """A binary session in the room's directory (a user other than ann stays in their home)."""
    server = server or room.server
    ftp = ftplib.FTP(timeout=TOO_LONG, **options)
    ftp.connect(server.host, server.port)
    ftp.login(user, f"{user}-secret")
    ftp.voidcmd("TYPE I")
    if user == "ann":
        ftp.cwd(room.path)
    return ftp


def put(ftp, name, data, **options):
    return ftp.storbinary(f"STOR {name}", io.BytesIO(data), **options)


def get(ftp, name, **options):
    received = io.BytesIO()
    ftp.retrbinary(f"RETR {name}", received.write, **options)
    return received.getvalue()


def refused(code, action, *arguments):
    try:
        reply = action(*arguments)
    except ftplib.Error as error:
        expect(str(error).startswith(str(code)), f"{error}, not {code}")
    else:
        expect(False, f"{reply}, not {code}")


@check
def ftplib_uploads_and_downloads(room):
    with login(room) as ftp:
        both_ways(room, ftp)


@check
def ftplib_moves_20_megabytes_both_ways(room):
    data = noise(20_000_000)
    with login(room) as ftp:
        put(ftp, "big.bin", data, blocksize=1 << 16)
        same(room.there / "big.bin", data)
        same(get(ftp, "big.bin", blocksize=1 << 16), data)


@check
def ftplib_uses_active_mode(room):
    with login(room) as ftp:
        ftp.set_pasv(False)
        both_ways(room, ftp)


@check
def ftplib_uses_ipv6(room):
    with room.site.serve("ftplib-ipv6", "[::1]") as server, login(room, server) as ftp:
        expect(ftp.af == socket.AF_INET6, "this is not IPv6")
        both_ways(room, ftp)
        ftp.set_pasv(False)
        both_ways(room, ftp)


@check
def ftplib_moves_awkward_names(room):
    with login(room) as ftp:
        for number, name in enumerate(NAMES):
            data = noise(100, number)
            put(ftp, name, data)
            same(room.there / name, data)
            same(get(ftp, name), data)
        listed = ftp.nlst()
        expect(sorted(listed) == sorted(NAMES), listed)
        listed = [name for name, facts in ftp.mlsd() if facts["type"] == "file"]
        expect(sorted(listed) == sorted(NAMES), listed)


@check
def ftplib_returns_names_that_are_not_unicode_byte_for_byte(room):
    name = "caf\xe9"
    with login(room, encoding="latin-1") as ftp:
        put(ftp, name, b"latin")
        expect(ftp.nlst() == [name], "NLST shows another name")
        expect([found for found, _ in ftp.mlsd()] == [name], "MLSD shows another name")
        same(get(ftp, name), b"latin")


@check
def ftplib_resumes_a_download(room):
    file = room.remote("file.bin", 3_000_000).read_bytes()
    with login(room) as ftp:
        same(get(ftp, "file.bin", rest=1_234_567), file[1_234_567:])
        same(get(ftp, "file.bin"), file)


@check
def ftplib_resumes_an_upload_with_rest(room):
    data = noise(3_000_000)
    room.remote("file.bin", data=data[:1_234_567])
    with login(room) as ftp:
        put(ftp, "file.bin", data[1_234_567:], rest=1_234_567)
    same(room.there / "file.bin", data)


@check
def ftplib_resumes_an_upload_with_appe(room):
    data = noise(3_000_000)
    room.remote("file.bin", data=data[:1_234_567])
    with login(room) as ftp:
        ftp.storbinary("APPE file.bin", io.BytesIO(data[1_234_567:]))
    same(room.there / "file.bin", data)


@check
def ftplib_stores_a_unique_name(room):
    with login(room) as ftp:
        ftp.storbinary("STOU", io.BytesIO(b"unique"))
    (file,) = room.there.iterdir()
    same(file, b"unique")


@check
def ftplib_sends_and_receives_lines(room):
    with login(room) as ftp:
        ftp.storlines("STOR text", io.BytesIO(b"one\ntwo\n\nthree\n"))
        same(room.there / "text", b"one\ntwo\n\nthree\n")
        lines = []
        ftp.retrlines("RETR text", lines.append)
        expect(lines == ["one", "two", "", "three"], lines)


@check
def ftplib_lists(room):
    room.plant(room.there)
    with login(room) as ftp:
        lines = []
        ftp.dir(lines.append)
        expect(
            any(line.startswith("-rw") and line.endswith(" top.bin") and " 200000 " in line for line in lines), lines
        )
        expect(sorted(ftp.nlst()) == ["-dash", "empty", "many", "sub", "top.bin"], ftp.nlst())
        facts = dict(ftp.mlsd(facts=["type", "size", "modify"]))
        expect(facts["top.bin"]["size"] == "200000" and facts["top.bin"]["type"] == "file", facts["top.bin"])
        expect(facts["sub"]["type"] == "dir", facts["sub"])
        expect(len(ftp.nlst("many")) == 30, "NLST of a directory")


@check
def ftplib_lists_an_empty_directory(room):
    with login(room) as ftp:
        expect(ftp.nlst() == [], "NLST is not empty")
        lines = []
        ftp.dir(lines.append)
        expect(lines == [], lines)
        expect([name for name, facts in ftp.mlsd() if facts["type"] in ("file", "dir")] == [], "MLSD is not empty")


@check
def ftplib_renames_deletes_and_makes_directories(room):
    room.remote("old name")
    with login(room) as ftp:
        expect(ftp.mkd("a directory") == f"{room.path}/a directory", "MKD answers another path")
        ftp.rename("old name", "a directory/new name")
        expect((room.there / "a directory" / "new name").exists(), "the file is not there")
        refused(550, ftp.rmd, "a directory")
        ftp.delete("a directory/new name")
        ftp.rmd("a directory")
        expect(list(room.there.iterdir()) == [], "something is left")
        refused(550, ftp.delete, "missing")
        refused(550, ftp.rmd, "missing")
        refused(550, ftp.cwd, "missing")
        refused(550, get, ftp, "missing")
        refused(550, ftp.rename, "missing", "other")


@check
def ftplib_asks_for_size_time_and_place(room):
    room.remote("file.bin", 4321)
    with login(room) as ftp:
        expect(ftp.size("file.bin") == 4321, "SIZE")
        expect(ftp.pwd() == room.path, ftp.pwd())
        ftp.voidcmd("MFMT 20231114221320 file.bin")
        expect((room.there / "file.bin").stat().st_mtime == 1_700_000_000, "MFMT did not set the time")
        expect(ftp.sendcmd("MDTM file.bin") == "213 20231114221320", "MDTM")
        expect(ftp.sendcmd("SYST").startswith("215 UNIX"), "SYST")
        ftp.cwd("..")
        expect(ftp.pwd() == "/", ftp.pwd())
        ftp.cwd("..")
        expect(ftp.pwd() == "/", "CWD .. leads out of the home")


@check
def ftplib_stays_in_the_home(room):
    (room.site.directory / "outside").write_bytes(b"outside")
    (room.there / "link").symlink_to(room.site.directory / "outside")
    with login(room) as ftp:
        refused(550, get, ftp, "link")
        refused(550, get, ftp, "/../../outside")
        refused(550, put, ftp, "../../../../outside/x", b"")


@check
def ftplib_aborts_a_download(room):
    file = room.remote("big.bin", 20_000_000)
    with login(room) as ftp:
        data = ftp.transfercmd("RETR big.bin")
        data.recv(1000)
        ftp.putline("ABOR")
        while data.recv(1 << 16):
            pass
        data.close()
        expect_abort(ftp)
        same(get(ftp, "big.bin"), file)


def expect_abort(ftp):
    replies = ftp.getmultiline()[:3]
    if replies == "426":
        replies += " " + ftp.getmultiline()[:3]
    # A loop-back is quick: the download may have ended before ABOR was read.
    expect(replies in ("426 226", "226"), f"the replies are {replies}")
    if replies == "226":
        ftp.voidresp()


@check
def ftplib_aborts_an_upload_and_leaves_the_old_file(room):
    file = room.remote("file.bin", 1_000)
    want = file.read_bytes()
    with login(room) as ftp:
        data = ftp.transfercmd("STOR file.bin")
        data.sendall(noise(500_000))
        ftp.putline("ABOR")
        expect(ftp.getmultiline().startswith("426"), "ABOR is not answered with 426 first")
        expect(ftp.getmultiline().startswith("226"), "ABOR is not answered with 226 then")
        data.close()
        same(file, want)
        expect([path.name for path in room.there.iterdir()] == ["file.bin"], "a temporary file is left")
        both_ways(room, ftp)


@check
def ftplib_resets_an_upload_and_leaves_the_old_file(room):
    file = room.remote("file.bin", 1_000)
    want = file.read_bytes()
    with login(room) as ftp:
        data = ftp.transfercmd("STOR file.bin")
        data.sendall(noise(500_000))
        data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        data.close()
        refused(426, ftp.voidresp)
        same(file, want)
        expect([path.name for path in room.there.iterdir()] == ["file.bin"], "a temporary file is left")


@check
def ftplib_vanishes_during_an_upload_and_leaves_nothing(room):
    ftp = login(room)
    data = ftp.transfercmd("STOR file.bin")
    data.sendall(noise(500_000))
    ftp.close()
    until = time.monotonic() + 10
    while list(room.there.iterdir()) and time.monotonic() < until:
        time.sleep(0.02)
    left = [path.name for path in room.there.iterdir()]
    data.close()
    expect(left == [], f"left: {left}")


@check
def ftplib_gets_answers_during_a_transfer(room):
    room.remote("big.bin", 20_000_000)
    with login(room) as ftp:
        data = ftp.transfercmd("RETR big.bin")
        ftp.putline("NOOP")
        expect(ftp.getmultiline().startswith("200"), "NOOP is not answered during a transfer")
        while data.recv(1 << 16):
            pass
        data.close()
        ftp.voidresp()


@check
def ftplib_transfers_in_twenty_sessions_at_once(room):
    import threading

    faults = []

    def one(number):
        try:
            data = noise(1_000_000, number)
            with login(room) as ftp:
                put(ftp, f"{number}.bin", data)
                same(get(ftp, f"{number}.bin"), data)
        except Exception as error:
            faults.append(f"{number}: {error}")

    threads = [threading.Thread(target=one, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not faults, "; ".join(faults))


def both_ways(room, ftp):
    data = noise(300_000, time.monotonic())
    expect(put(ftp, "up.bin", data).startswith("226"), "STOR is not answered with 226")
    same(room.there / "up.bin", data)
    same(get(ftp, "up.bin"), data)
    expect("up.bin" in ftp.nlst(), "NLST lacks the file")
    put(ftp, "up.bin", b"")
    same(get(ftp, "up.bin"), b"")
    ftp.delete("up.bin")
