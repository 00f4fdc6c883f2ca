"""TLS: Python's ftplib, explicit and implicit, in each version, with and without session reuse: transfers whole and
cut, and what is refused."""

import ftplib
import socket
import ssl
import struct
import threading
import time

from check import TOO_LONG, check, eventually, expect, noise, same
from tls_sessions import KINDS, VERSIONS, Careless, Implicit, Plain, Reusing, connect, login, trusting
from with_ftplib import expect_abort, get, put, refused
from with_tls import transfers


def every_session(room):
    for version in VERSIONS:
        for kind in KINDS:
            with login(room, kind, version=version) as ftp:
                expect(ftp.sock.version() == version, f"this is {ftp.sock.version()}")
                yield ftp


def five_both_ways(room, ftp, size=100_000):
    for number in range(5):
        data = noise(size, f"{number} {time.monotonic()}")
        expect(put(ftp, f"{number}.bin", data).startswith("226"), "STOR is not answered with 226")
        same(room.there / f"{number}.bin", data)
        same(get(ftp, f"{number}.bin"), data)
    put(ftp, "empty", b"")
    same(get(ftp, "empty"), b"")
    expect(sorted(ftp.nlst()) == [f"{number}.bin" for number in range(5)] + ["empty"], "NLST")
    for name in ftp.nlst():
        ftp.delete(name)
    expect(ftp.nlst() == [], "NLST of an empty directory is not empty")


@check
def tls_ftplib_makes_five_transfers_both_ways(room):
    for ftp in every_session(room):
        five_both_ways(room, ftp)
    seen = transfers(room, room.site.tls)
    expect(all(control == data for control, data in seen), f"the transfers were made in {set(seen)}")
    expect({control for control, _ in seen} == set(VERSIONS), f"the transfers were made in {set(seen)}")


@check
def tls_ftplib_uploads_ten_times_3_megabytes(room):
    """Where a server sends tickets that nobody reads, the end of such an upload is lost."""
    for ftp in every_session(room):
        for number in range(10):
            data = noise(3_000_000, number)
            put(ftp, f"{number}.bin", data)
            same(room.there / f"{number}.bin", data)


@check
def tls_ftplib_moves_20_megabytes_both_ways(room):
    data = noise(20_000_000)
    for ftp in every_session(room):
        put(ftp, "big.bin", data, blocksize=1 << 16)
        same(room.there / "big.bin", data)
        same(get(ftp, "big.bin", blocksize=1 << 16), data)


@check
def tls_ftplib_lists(room):
    room.plant(room.there)
    for ftp in every_session(room):
        lines = []
        ftp.dir(lines.append)
        expect(any(line.endswith(" top.bin") and " 200000 " in line for line in lines), lines)
        expect(sorted(ftp.nlst()) == ["-dash", "empty", "many", "sub", "top.bin"], ftp.nlst())
        facts = dict(ftp.mlsd(facts=["type", "size", "modify"]))
        expect(facts["top.bin"]["size"] == "200000" and facts["sub"]["type"] == "dir", facts)


@check
def tls_ftplib_uses_implicit_tls(room):
    for version in VERSIONS:
        with connect(room, Implicit, version=version) as ftp:
            expect(ftp.welcome.startswith("220"), ftp.welcome)
            ftp.login("ann", "ann-secret")
            ftp._prot_p = True  # without PROT P: it goes without saying
            ftp.cwd(room.path)
            five_both_ways(room, ftp)
        with login(room, Implicit, version=version) as ftp:
            five_both_ways(room, ftp)


@check
def tls_ftplib_uses_active_mode(room):
    for ftp in every_session(room):
        ftp.set_pasv(False)
        five_both_ways(room, ftp)


@check
def tls_ftplib_uses_ipv6(room):
    with room.site.serve_tls("tls-ftplib-ipv6", address="[::1]") as server:
        for kind in [Plain, Reusing, Implicit]:
            with login(room, kind, server=server) as ftp:
                five_both_ways(room, ftp)
                ftp.set_pasv(False)
                five_both_ways(room, ftp)


@check
def tls_ftplib_says_auth_ssl(room):
    with connect(room) as ftp:
        reply = ftp.voidcmd("AUTH SSL")
        expect(reply.startswith("234"), reply)
        ftp.sock = ftp.context.wrap_socket(ftp.sock, server_hostname=ftp.host)
        ftp.file = ftp.sock.makefile(mode="r", encoding=ftp.encoding)
        refused(503, ftp.voidcmd, "AUTH TLS")
        ftp.login("ann", "ann-secret", secure=False)
        ftp.prot_p()
        ftp.cwd(room.path)
        five_both_ways(room, ftp)


@check
def tls_ftplib_is_refused_in_the_clear(room):
    with connect(room) as ftp:
        refused(550, ftp.voidcmd, "USER ann")
        refused(550, ftp.voidcmd, "PASS ann-secret")
        refused(503, ftp.voidcmd, "PBSZ 0")
        refused(503, ftp.voidcmd, "PROT P")
        ftp.login("ann", "ann-secret")
        refused(550, ftp.nlst)
        refused(503, ftp.voidcmd, "PROT P")
        ftp.voidcmd("PBSZ 0")
        refused(534, ftp.prot_c)
        refused(536, ftp.voidcmd, "PROT S")
        refused(536, ftp.voidcmd, "PROT E")
        refused(534, ftp.ccc)
        ftp.prot_p()
        expect(room.path[1:] in ftp.nlst(), "NLST")


@check
def tls_ftplib_may_use_the_clear_where_tls_is_optional(room):
    with room.site.serve_tls("tls-optional", "--tls", "optional") as server:
        with ftplib.FTP(timeout=TOO_LONG) as ftp:
            ftp.connect(server.host, server.port)
            ftp.login("ann", "ann-secret")
            ftp.voidcmd("TYPE I")
            ftp.cwd(room.path)
            five_both_ways(room, ftp)
        with login(room, server=server) as ftp:
            five_both_ways(room, ftp)
            ftp.prot_c()
            five_both_ways(room, ftp)
        seen = set(transfers(room, server))
    expect(seen == {(None, None), ("TLSv1.3", "TLSv1.3"), ("TLSv1.3", None)}, f"the transfers were made in {seen}")


@check
def tls_ftplib_sends_data_in_the_clear_and_is_refused(room):
    with login(room, Careless) as ftp:
        refused(522, answer, put, ftp, "file.bin", noise(1_000))
        expect(list(room.there.iterdir()) == [], "what came in the clear was stored")
    with login(room) as ftp:
        five_both_ways(room, ftp)


@check
def tls_ftplib_needs_reuse_where_it_is_required(room):
    with room.site.serve_tls("tls-reuse", "--tls-session-reuse", "require") as server:
        for version in VERSIONS:
            with login(room, Reusing, server=server, version=version) as ftp:
                five_both_ways(room, ftp)
                ftp.set_pasv(False)
                five_both_ways(room, ftp)
            with login(room, Plain, server=server, version=version) as ftp:
                refused(522, answer, Plain.nlst, ftp)
                refused(522, answer, put, ftp, "file.bin", noise(1_000))
                expect(list(room.there.iterdir()) == [], "the upload was stored")
                refused(522, answer, Plain.nlst, ftp)


def answer(action, ftp, *arguments):
    """What the server says of a transfer, though it has hung up on it."""
    try:
        return action(ftp, *arguments)
    except (OSError, EOFError):
        return ftp.voidresp()


@check
def tls_ftplib_can_not_resume_the_session_of_another(room):
    """What a thief of a data connection would need."""
    with room.site.serve_tls("tls-theft", "--tls-session-reuse", "require") as server:
        for version in VERSIONS:
            room.remote("secret", data=b"for ann")
            with login(room, Reusing, server=server, version=version) as ann:
                context = trusting(room.site.certificate, version)
                thief = Reusing(context=context, timeout=TOO_LONG)
                thief.connect(server.host, server.port)
                thief.login("dora", "dora-secret")
                host, port = ann.makepasv()
                with socket.create_connection((host, port), TOO_LONG) as raw:
                    ann.putcmd("RETR secret")
                    got = b""
                    try:
                        with context.wrap_socket(raw, server_hostname=host, session=thief.sock.session) as data:
                            got = data.recv(100)
                    except (OSError, ssl.SSLError):
                        pass
                expect(got == b"", f"another session got {got}")
                expect(ann.getresp().startswith("150"), "RETR is not answered with 150")
                refused(522, ann.getresp)
                same(get(ann, "secret"), b"for ann")
                thief.quit()


@check
def tls_ftplib_warns_once_where_sessions_are_not_reused(room):
    with room.site.serve_tls("tls-warn") as server:
        with login(room, Reusing, server=server) as ftp:
            five_both_ways(room, ftp)
        expect("TLS session" not in server.output.read_text(), "it warns of a client that reuses")
        with login(room, Plain, server=server) as ftp:
            five_both_ways(room, ftp)
        warnings = server.output.read_text().count("don't resume the control connection's TLS session")
        expect(warnings == 1, f"there are {warnings} warnings")


@check
def tls_ftplib_aborts_a_download(room):
    file = room.remote("big.bin", 20_000_000)
    for ftp in every_session(room):
        data = ftp.transfercmd("RETR big.bin")
        data.recv(1000)
        ftp.putline("ABOR")
        drain(data)
        expect_abort(ftp)
        same(get(ftp, "big.bin"), file)


@check
def tls_ftplib_aborts_an_upload_and_leaves_the_old_file(room):
    file = room.remote("file.bin", 1_000)
    want = file.read_bytes()
    for ftp in every_session(room):
        data = ftp.transfercmd("STOR file.bin")
        data.sendall(noise(500_000))
        ftp.putline("ABOR")
        expect(ftp.getmultiline().startswith("426"), "ABOR is not answered with 426 first")
        expect(ftp.getmultiline().startswith("226"), "ABOR is not answered with 226 then")
        data.close()
        same(file, want)
        expect([path.name for path in room.there.iterdir()] == ["file.bin"], "a temporary file is left")
        same(get(ftp, "file.bin"), want)


@check
def tls_ftplib_resets_an_upload_and_leaves_the_old_file(room):
    file = room.remote("file.bin", 1_000)
    want = file.read_bytes()
    for ftp in every_session(room):
        data = ftp.transfercmd("STOR file.bin")
        data.sendall(noise(500_000))
        data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        data.close()
        refused(426, ftp.voidresp)
        same(file, want)
        expect([path.name for path in room.there.iterdir()] == ["file.bin"], "a temporary file is left")


@check
def tls_ftplib_omits_close_notify(room):
    """An upload that ends so could have been cut by anybody on the way: taken, unless the server is strict."""
    data = noise(500_000)
    for ftp in every_session(room):
        end_without_notice(ftp, "STOR file.bin", data)
        ftp.voidresp()
        same(room.there / "file.bin", data)
    with room.site.serve_tls("tls-strict", "--tls-strict-eof") as server:
        for version in VERSIONS:
            with login(room, server=server, version=version) as ftp:
                end_without_notice(ftp, "STOR strict.bin", data)
                refused(426, ftp.voidresp)
                expect(not (room.there / "strict.bin").exists(), "the upload was stored")
                put(ftp, "whole.bin", data)
                same(room.there / "whole.bin", data)


def end_without_notice(ftp, command, data):
    connection = ftp.transfercmd(command)
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    connection.close()


@check
def tls_ftplib_vanishes_during_an_upload_and_leaves_nothing(room):
    for version in VERSIONS:
        ftp = login(room, version=version)
        data = ftp.transfercmd("STOR file.bin")
        data.sendall(noise(500_000))
        ftp.close()
        eventually(lambda: list(room.there.iterdir()) == [], "something is left")
        data.close()


@check
def tls_ftplib_gets_answers_during_a_transfer(room):
    room.remote("big.bin", 20_000_000)
    for ftp in every_session(room):
        data = ftp.transfercmd("RETR big.bin")
        ftp.putline("NOOP")
        expect(ftp.getmultiline().startswith("200"), "NOOP is not answered during a transfer")
        drain(data)
        ftp.voidresp()


def drain(data):
    try:
        while data.recv(1 << 16):
            pass
    except ssl.SSLError:
        pass  # what is cut off has no proper end
    data.close()


@check
def tls_ftplib_transfers_in_twenty_sessions_at_once(room):
    faults = []

    def one(number):
        try:
            data = noise(1_000_000, number)
            with login(room, KINDS[number % 2], version=list(VERSIONS)[number // 2 % 2]) as ftp:
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
