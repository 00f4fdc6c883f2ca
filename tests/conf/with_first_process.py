"""The server as the first process of a container, where programs leave children behind."""

import os
import signal
import time
from pathlib import Path

from check import check, eventually, expect
from host import ended

# Starts a child that outlives it, in a session of its own so that it is not ended with it.
ORPHANING = "#!/bin/sh\nsetsid sh -c 'sleep 0.3; echo done >> \"$0\"' \"$0.out\" > /dev/null 2>&1 < /dev/null &\n"


def first_process(host, **options):
    """`unshare`, whose child is process 1 to itself."""
    host.home
    program = host.path("orphan")
    program.write_text(ORPHANING)
    program.chmod(0o755)
    host.configure(**options)
    with host.path("django-ftpd.conf").open("a") as configuration:
        configuration.write(f'[[exec]]\nname = "orphan"\ncommand = ["{program}"]\n')
    words = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return host.start([*words, *host.command("serve", "--config", host.inner("django-ftpd.conf"))])


def children(pid):
    """Number, parent and state of whoever descends from it."""
    found = {pid: (0, "?")}
    for _ in range(5):
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rsplit(") ", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) in found:
                found[int(path.parent.name)] = (int(fields[1]), fields[0])
    del found[pid]
    return found


def init_of(host, process):
    return next(pid for pid, (parent, _) in children(process.pid).items() if parent == process.pid)


@check
def first_process_takes_in_what_programs_leave_behind(host):
    process = first_process(host)
    for number in range(5):
        host.curl("--upload-file", host.path("orphan"), path=f"{number}")
    output = host.path("orphan.out")
    eventually(lambda: output.exists() and output.read_text().count("done") == 5, "the programs did not run")
    init = init_of(host, process)
    zombies = lambda: [pid for pid, (_, state) in children(init).items() if state == "Z"]
    eventually(lambda: zombies() == [], "there are processes that nobody takes in")
    os.kill(init, signal.SIGTERM)
    expect(ended(process) == 0, "it did not stop in order")


@check
def first_process_hands_signals_on(host):
    process = first_process(host)
    os.kill(init_of(host, process), signal.SIGTERM)
    expect(ended(process) == 0, "it did not stop in order")
    expect("ftp_server_stopped" in host.path("events.jsonl").read_text(), "its last event is missing")


@check
def first_process_ends_as_the_server_did(host):
    process = first_process(host)
    server = next(iter(children(init_of(host, process))))
    os.kill(server, signal.SIGKILL)
    expect(ended(process) == 128 + signal.SIGKILL, f"the exit status is {process.returncode}")
    host.path("django-ftpd.conf").write_text("no such option = 1\n")
    words = ["unshare", "--pid", "--fork", *host.command("serve", "--config", host.inner("django-ftpd.conf"))]
    expect(ended(host.start(words, greets=False)) == 2, "a wrong configuration does not end it with 2")


@check
def first_process_leaves_time_to_transfers(host):
    process = first_process(host, stop_timeout=20)
    slow = host.path("slow")
    slow.write_bytes(bytes(3_000_000))
    words = ["curl", "--silent", "--limit-rate", "1M", "--upload-file", str(slow)]
    curl = host.start([*words, f"ftp://ann:ann-secret@127.0.0.1:{host.port}/slow"], log="curl.out", greets=False)
    time.sleep(1)
    os.kill(init_of(host, process), signal.SIGTERM)
    expect(curl.wait(20) == 0, "the transfer was cut")
    expect(ended(process) == 0, "it did not stop in order")
    expect((host.home / "slow").stat().st_size == 3_000_000, "the file is not whole")
