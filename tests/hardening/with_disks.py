"""Disks that are full, broken or slow, with the homes, the journal or all of it on them."""

import threading
import time
from collections import Counter

from check import check, eventually, expect, noise
from client import Client, uploads_at_once
from host import run
from tracer import Tracer

SIZE = 200_000
# Others must not notice that one has to wait for the disk.
PATIENCE = 1.0


def tmpfs(host, place, size):
    place.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", place)
    host.at_the_end("umount", "-l", place)


def fill(host, clients, tries):
    """Uploads by all of them at once; what each file was answered."""
    answers = {}

    def work(client, number):
        for attempt in range(tries):
            name = f"{number}-{attempt}"
            answers[name] = client.upload(f"STOR {name}", noise(SIZE, name))
            if not answers[name] and client.code("NOOP") != 200:
                return

    working = [threading.Thread(target=work, args=(client, number)) for number, client in enumerate(clients)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    return answers


def judge(host, answers):
    """What was acknowledged is whole, and of everything else there is nothing."""
    for name, code in answers.items():
        path = host.home / name
        if code == 226:
            expect(path.read_bytes() == noise(SIZE, name), f"{name} was acknowledged, and is not whole")
        else:
            expect(not path.exists(), f"{name} was answered with {code}, and is there")
    expect(not host.leftovers(), f"{len(host.leftovers())} temporary files are left")


def resize(image, mebibytes, device=None):
    with image.open("ab") as file:
        file.truncate(mebibytes << 20)
    if device:
        run("losetup", "--set-capacity", device)


def told(answers):
    return ", ".join(f"{count} × {code}" for code, count in sorted(Counter(answers.values()).items()))


@check
def with_all_on_a_full_disk_nothing_is_acknowledged_that_is_not_there(host):
    """Homes, journal and database are on the same small one."""
    tmpfs(host, host.path("home"), "8m")
    journal = host.path("home/journal")
    journal.mkdir()
    host.serve(journal=str(journal / "events.jsonl"), journal_sync="always", journal_full="refuse")
    before = host.at_rest()
    clients = [host.client() for _ in range(10)]
    answers = fill(host, clients, 8)
    expect({226, 452} <= set(answers.values()), f"the disk is not full: {told(answers)}")
    judge(host, answers)
    # Somebody else fills the rest, and the journal can't be written either.
    ballast = host.path("home/ballast")
    try:
        ballast.write_bytes(bytes(16 << 20))
    except OSError:
        pass
    later = [client.code(f"MKD directory-{number}") for number, client in enumerate(clients * 3)]
    expect(set(later) <= {257, 451, 452, 550}, f"directories are answered with {later}")
    expect([client.code("NOOP") for client in clients] == [200] * 10, "sessions have ended")
    ballast.unlink()
    eventually(lambda: clients[0].upload("STOR again", b"x") == 226, "it does not serve again")
    (host.home / "again").unlink()
    for name, code in answers.items():
        if code == 226 and name.endswith("-0"):
            (host.home / name).unlink()
    host.serves()
    for client in clients:
        client.close()
    host.rested(before)
    host.path("events.jsonl").symlink_to(journal / "events.jsonl")
    done = {name for name, code in answers.items() if code == 226}
    received = host.received() - {"again", "witness"}
    expect(done <= received, f"acknowledged, and not in the journal: {done - received}")
    # 451: it was done, and could not be recorded in time.
    expect(received <= done, f"in the journal, and refused: {received - done}")
    host.note(told(answers))


@check
def on_a_broken_disk_nothing_is_acknowledged_that_is_not_there(host):
    """A file system on a device of which the greater part is gone: what is written there fails with EIO."""
    image = host.path("image")
    resize(image, 200)
    run("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=0,nodiscard", image)
    device = run("losetup", "--find", "--show", image).strip()
    host.at_the_end("losetup", "--detach", device)
    host.home.mkdir(parents=True, exist_ok=True)
    run("mount", device, host.home)
    host.at_the_end("umount", "-l", host.home)
    resize(image, 40, device)
    host.serve(sync_uploads=True)
    before = host.at_rest()
    clients = [host.client() for _ in range(10)]
    answers = fill(host, clients, 20)
    expect({226, 451} <= set(answers.values()), f"the disk is not broken: {told(answers)}")
    judge(host, answers)
    expect([client.code("NOOP") for client in clients] == [200] * 10, "sessions have ended")
    expect("Input/output error" in host.log(), "the log does not tell of it")
    done = {name for name, code in answers.items() if code == 226}
    expect(host.received() - {"witness"} == done, "the journal tells something else")
    for client in clients:
        client.close()
    host.rested(before)
    # What was acknowledged is on the disk itself, not only in memory.
    expect(host.stop(host.process) == 0, "it does not stop in order")
    run("umount", host.home)
    resize(image, 200, device)
    run("fsck.ext4", "-f", "-y", device, ok=(0, 1))
    run("mount", device, host.home)
    judge(host, answers)
    host.again()
    host.serves()
    host.note(told(answers))


@check
def a_slow_disk_makes_nobody_wait_but_who_uses_it(host):
    host.serve(sync_uploads=True)
    slow = [host.client() for _ in range(5)]
    with Tracer(host.threads("session"), "fsync,openat2,linkat", "delay_enter=2000000"):
        answers = uploads_at_once(slow, noise(SIZE))
        longest = longest_service(host)
        codes = answers()
    expect(codes == [226] * 5, f"they are answered with {codes}")
    expect(longest < PATIENCE, f"others took {longest:.2f} s")
    host.note(f"others took {longest * 1000:.0f} ms at most")


def longest_service(host):
    """What somebody else takes at most, in three seconds."""
    times, until = [], time.monotonic() + 3
    while time.monotonic() < until:
        began = time.monotonic()
        host.serves()
        times.append(time.monotonic() - began)
        time.sleep(0.05)  # some thousand events may wait for the journal; then sessions do
    return max(times)


@check
def a_slow_disk_of_the_journal_makes_nobody_wait_who_did_not_ask_for_it(host):
    host.serve()
    with Tracer(host.threads("audit"), "write", "delay_enter=1000000"):
        longest = longest_service(host)
    expect(longest < PATIENCE, f"they took {longest:.2f} s")
    host.note(f"{longest * 1000:.0f} ms at most")
    expect(host.stop(host.process) == 0, "it does not stop in order")
    expect(list(host.events())[-1]["event"] == "ftp_server_stopped", "the end of the journal is missing")


@check
def errors_in_the_journal_are_waited_out_and_nothing_is_lost(host):
    """Each call of the audit thread fails for a while, also those by which it begins a new file."""
    host.serve(journal_sync="always", journal_full="refuse", journal_size=2_000, journal_keep=500)
    before = host.at_rest()
    calls = ["write", "fdatasync,fsync", "openat,openat2", "rename,renameat", "statx,fstat,newfstatat", "ftruncate"]
    done, refused = set(), set()
    for call in calls:
        for error in ["EIO", "ENOSPC"] if host.is_long else ["EIO"]:
            with host.client() as ann:
                with Tracer(host.threads("audit"), call, f"error={error}:when=1..3"):
                    for number in range(8):
                        name = f"{call.partition(',')[0]}-{error}-{number}"
                        (done if ann.upload(f"STOR {name}", b"x") == 226 else refused).add(name)
                expect(ann.code("NOOP") == 200, f"{call}: the session has ended")
            eventually(lambda: try_it(host), f"{call}: it does not go on")
    host.rested(before)
    expect(host.stop(host.process) == 0, "it does not stop in order")
    expect(host.path("events.jsonl.2").exists(), "no new file was begun")
    received = host.received()
    expect(done <= received, f"acknowledged, and not in the journal: {done - received}")
    for name in refused & received:
        expect((host.home / name).read_bytes() == b"x", f"in the journal, and not there: {name}")
    host.note(f"{len(done)} uploads acknowledged, {len(refused)} refused")


def try_it(host):
    with Client(host.port) as client:
        return client.login() and client.upload("STOR tried", b"x") == 226
