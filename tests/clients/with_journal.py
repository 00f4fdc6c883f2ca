"""The journal after known sessions, and how the server stops. The last check stops the server that all others used."""

import ftplib
import json
import socket
import struct

from check import check, expect, noise
from with_ftplib import get, login, put


@check
def journal_records_each_kind_of_event_and_sigterm_ends_it(room):
    with room.site.serve("kinds") as server:
        play(room, server)
        expect(server.terminate() == 0, f"the exit status is {server.process.returncode}")
    events = read(server.journal)
    path = room.path
    wanted = [
        ("ftp_server_started", None, None),
        ("ftp_client_connected", None, None),
        ("ftp_login_failed", "ann", None),
        ("ftp_login", "ann", None),
        ("ftp_file_received", "ann", f"{path}/file.bin"),
        ("ftp_file_sent", "ann", f"{path}/file.bin"),
        ("ftp_file_received_incomplete", "ann", f"{path}/cut.bin"),
        ("ftp_file_sent_incomplete", "ann", f"{path}/big.bin"),
        ("ftp_file_renamed", "ann", f"{path}/file.bin"),
        ("ftp_file_deleted", "ann", f"{path}/new.bin"),
        ("ftp_directory_created", "ann", f"{path}/directory"),
        ("ftp_directory_deleted", "ann", f"{path}/directory"),
        ("ftp_logout", "ann", None),
        ("ftp_client_disconnected", "ann", None),
        ("ftp_server_stopped", None, None),
    ]
    for kind, username, name in wanted:
        found = [event for event in events if event["event"] == kind]
        expect(found, f"there is no {kind}")
        if username:
            found = [event for event in found if event.get("username") == username]
            expect(found, f"no {kind} names {username}")
        if name:
            real = f"{room.site.home('ann')}{name}"
            expect((real, name) in [paths(event) for event in found], f"no {kind} names {name}: {found[0]}")
    expect(events[0]["event"] == "ftp_server_started", f"it begins with {events[0]['event']}")
    expect(events[-1]["event"] == "ftp_server_stopped", f"it ends with {events[-1]['event']}")
    failed = [event for event in events if paths(event)[1] == f"{path}/missing"]
    expect(not failed, f"what failed is recorded: {failed}")
    expect("ann-secret" not in server.journal.read_text(), "the journal holds a password")


@check
def journal_continues_after_a_restart(room):
    for _ in range(2):
        with room.site.serve("restarted") as server:
            login(room, server).quit()
            expect(server.terminate() == 0, f"the exit status is {server.process.returncode}")
    kinds = [event["event"] for event in read(server.journal)]
    expect(kinds.count("ftp_server_started") == 2 and kinds.count("ftp_login") == 2, kinds)


@check
def journal_is_complete_after_sigterm_with_a_session_on(room):
    with room.site.serve("cut-short") as server:
        ftp = login(room, server)
        status = server.terminate()
        expect(status == 0, f"the exit status is {status}")
        try:
            ftp.voidcmd("NOOP")
        except (ftplib.Error, EOFError, OSError):
            pass
        else:
            expect(False, "the session outlives the server")
        finally:
            ftp.close()
    kinds = [event["event"] for event in read(server.journal)]
    expect("ftp_client_disconnected" in kinds, "the session's end is not recorded")
    expect(kinds[-1] == "ftp_server_stopped", f"it ends with {kinds[-1]}")


@check
def journal_of_all_checks_is_whole_and_sigterm_exits_0(room):
    status = room.server.terminate()
    expect(status == 0, f"the exit status is {status}")
    events = read(room.server.journal)
    expect(events[-1]["event"] == "ftp_server_stopped", f"it ends with {events[-1]['event']}")
    numbers = [event["seq"] for event in events]
    expect(numbers == list(range(numbers[0], numbers[0] + len(numbers))), "the numbers have gaps")


def play(room, server):
    """One session with something of every kind."""
    ftp = ftplib.FTP(timeout=60)
    ftp.connect(server.host, server.port)
    try:
        ftp.login("ann", "wrong")
    except ftplib.error_perm:
        ftp.close()
    room.remote("big.bin", 20_000_000)
    ftp = login(room, server)
    put(ftp, "file.bin", noise(1_000))
    get(ftp, "file.bin")
    reset(ftp.transfercmd("STOR cut.bin"), noise(100_000))
    swallow(ftp.voidresp)
    data = ftp.transfercmd("RETR big.bin")
    data.recv(1000)
    reset(data)
    swallow(ftp.voidresp)
    ftp.rename("file.bin", "new.bin")
    ftp.delete("new.bin")
    ftp.mkd("directory")
    ftp.rmd("directory")
    swallow(ftp.delete, "missing")
    swallow(ftp.rmd, "missing")
    swallow(ftp.rename, "missing", "other")
    ftp.quit()


def reset(data, last=b""):
    data.sendall(last)
    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    data.close()


def swallow(action, *arguments):
    try:
        action(*arguments)
    except ftplib.Error:
        pass


def read(journal):
    expect(journal.exists(), "there is no journal")
    lines = journal.read_text().splitlines()
    expect(lines, "the journal is empty")
    return [json.loads(line) for line in lines]


def paths(event):
    """Of the file on the disk and as the user sees it; of a rename, the old ones."""
    suffix = "_from" if event["event"] == "ftp_file_renamed" else ""
    return event.get(f"path{suffix}"), event.get(f"virtual_path{suffix}")
