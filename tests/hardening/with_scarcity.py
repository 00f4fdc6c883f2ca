"""A system that has no descriptors, threads, processes or memory left for the server."""

import re
import threading
import time
from pathlib import Path

from check import check, eventually, expect, noise
from client import Client
from host import run

NOBODY = "1234"
CONTENT = noise(300_000)


def limit(host, user=0, **limits):
    """Of the server that runs as that user, and of its helper that starts programs. Where root is not quite root, only the
    user itself may set them."""
    pid = host.process.pid
    as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    for process in [pid, *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]:
        for name, value in limits.items():
            run(*as_user, "prlimit", "--pid", process, f"--{name}={value}:")


def greetings(host, count):
    """What so many are told who come now, and who of them stays."""
    clients = [Client(host.port) for _ in range(count)]
    return clients, {(client.greeting or "nothing")[:3] for client in clients}


@check
def without_descriptors_transfers_end_in_order_and_come_again(host):
    """Twenty upload and download all the time, while there are none but those in use."""
    host.serve(journal_sync="always", journal_size=20_000, journal_keep=500, sync_uploads=True)
    before = host.at_rest()
    clients = [host.client() for _ in range(20)]
    is_over, answers, wrong = threading.Event(), {}, []

    def work(client, number):
        attempt = 0
        while not is_over.is_set():
            name, attempt = f"{number}-{attempt}", attempt + 1
            answers[name] = client.upload(f"STOR {name}", CONTENT)
            code, content = client.download(f"RETR {name}")
            if (code == 226) != (content == CONTENT) or code == 226 and answers[name] != 226:
                wrong.append((name, answers[name], code, len(content)))

    working = [threading.Thread(target=work, args=(client, number)) for number, client in enumerate(clients)]
    for thread in working:
        thread.start()
    try:
        for _ in range(10 if host.is_long else 2):
            time.sleep(0.5)
            limit(host, nofile=before[0] + 25)
            time.sleep(1)
            limit(host, nofile=10_000)
    finally:
        is_over.set()
        for thread in working:
            thread.join()
    expect(not wrong, f"{wrong[:3]}")
    expect([client.code("NOOP") for client in clients] == [200] * 20, "sessions have ended")
    for name, code in answers.items():
        path = host.home / name
        expect((path.exists() and path.read_bytes() == CONTENT) == (code == 226), f"{name}: {code}")
        expect(path.exists() == (code == 226), f"{name}: {code}, and there is something of it")
    done = sum(code == 226 for code in answers.values())
    expect(0 < done < len(answers), f"{done} of {len(answers)} were done: nothing was scarce")
    for client in clients:
        client.close()
    host.serves()
    host.rested(before)
    acknowledged = {name for name, code in answers.items() if code == 226}
    expect(acknowledged == host.received() - {"witness"}, "the journal tells something else")
    host.note(f"{done} uploads done, {len(answers) - done} refused")


@check
def without_threads_who_comes_is_told_so_and_who_is_there_is_served(host):
    host.serve(user=NOBODY, max_cons=0)
    before = host.at_rest()
    there = [host.client() for _ in range(5)]
    limit(host, NOBODY, nproc=1)
    clients, codes = greetings(host, 100)
    expect(codes == {"421"}, f"they are greeted with {codes}")
    for number, ann in enumerate(there):
        expect(ann.upload(f"STOR {number}", CONTENT) == 226, "an upload of one who is there fails")
        expect(ann.download(f"RETR {number}") == (226, CONTENT), "a download of one who is there fails")
    complaints = host.log().count("no thread for a session")
    expect(0 < complaints < 10, f"the log tells of it {complaints} times")
    limit(host, NOBODY, nproc=1_000)
    host.serves()
    for client in [*there, *clients]:
        client.close()
    host.rested(before)


@check
def without_processes_programs_run_later_and_nobody_waits(host):
    """What is run for each event can't be started for a while."""
    told = host.path("told")
    program = host.path("program")
    program.write_text(f"#!/bin/sh\ncat >>{told}\n")
    program.chmod(0o755)
    host.sections = f'[[exec]]\nname = "tell"\ncommand = ["{program}"]\nevents = ["ftp_file_received"]\n'
    host.serve(user=NOBODY)
    with host.client() as ann:
        expect(ann.upload("STOR before", b"x") == 226, "no upload")
        eventually(lambda: told.exists() and "/before" in told.read_text(), "the program does not run")
        limit(host, NOBODY, nproc=1)
        for number in range(5):
            expect(ann.upload(f"STOR {number}", b"x") == 226, "an upload waits for a program")
        eventually(lambda: "it is tried again" in host.log(), "the log does not tell of it")
        expect("/0" not in told.read_text(), "a process was there after all")
        limit(host, NOBODY, nproc=1_000)
        all_told = lambda: all(f'/{number}"' in told.read_text() for number in range(5))
        eventually(all_told, f"the program was not run again: {host.last_log()}")
    host.serves()
    expect(host.stop(host.process) == 0, "it does not stop in order")


@check
def without_memory_it_refuses_or_ends_with_one_line_and_has_kept_its_word(host):
    """An allocation that fails ends a program in Rust: what was acknowledged must be there, and the next one starts."""
    for room in [0, 1 << 20, 5 << 20, 17 << 20, 19 << 20]:
        host.serve(journal_sync="always") if room == 0 else host.again()
        there = [host.client() for _ in range(3)]
        time.sleep(1.5)  # the time of a login is written behind it
        size = int(re.search(r"VmSize:\s+(\d+)", Path(f"/proc/{host.process.pid}/status").read_text())[1]) * 1024
        limit(host, **{"as": size + room})
        clients, codes = greetings(host, 100)
        answers = {f"{room}-{number}": ann.upload(f"STOR {room}-{number}", CONTENT) for number, ann in enumerate(there)}
        if host.is_alive():
            limit(host, **{"as": 1 << 40})
            expect("421" in codes, f"100 are greeted with {codes}, within {room} more bytes")
            host.serves()
            host.note(f"{room >> 20} MiB: it serves")
            host.process.kill()
        else:
            said = [line for line in host.log().splitlines()[-5:] if "memory" in line]
            expect(said, f"it has ended with {host.last_log()}")
            host.note(f"{room >> 20} MiB: {said[-1]}")
        host.process.wait()
        for client in [*clients, *there]:
            client.close()
        for name, code in answers.items():
            path = host.home / name
            whole = path.exists() and path.read_bytes() == CONTENT
            expect(whole if code == 226 else whole or not path.exists(), f"{name} was answered with {code}")
            expect(code != 226 or name in host.received(), f"{name} is not in the journal")
        expect(not host.leftovers(), "temporary files are left")
    host.again()
    host.serves()
