"""Many at once: who is idle, who is silent, who is slow, and who comes and goes."""

import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from check import check, expect
from client import Client

CROWD = Path(__file__).with_name("crowd.py")
MIB = 1 << 20
# A NOOP now and then, so that it finds a machine that has done something else meanwhile.
PACE = 0.004
# What a good client takes to log in, send a file and get it back, whoever else is there.
PATIENCE = 3


class Crowd:
    """One of `crowd.py`, until it is asked what became of it."""

    def __init__(self, host, kind, count, seconds):
        words = [sys.executable, CROWD, kind, host.port, count, seconds]
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE)
        host.processes.append(self.process)

    def is_there(self):
        return self.process.poll() is None

    def result(self):
        output, _ = self.process.communicate()
        expect(self.process.returncode == 0, "the crowd has failed itself")
        return json.loads(output)


def memory(host):
    """PSS, in bytes: the least within a second or so, for a transfer has its buffer only while it goes on."""
    return min(memory_now(host) for _ in range(20) if not time.sleep(0.05))


def memory_now(host):
    rollup = Path(f"/proc/{host.process.pid}/smaps_rollup").read_text()
    return 1024 * int(next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:")))


def noops(seconds, *crowds):
    """The median of NOOPs in each of some crowds, in sessions chosen at random, by turns, in seconds."""
    times, until = [[] for _ in crowds], time.monotonic() + seconds
    while time.monotonic() < until:
        for crowd, taken in zip(crowds, times):
            client = random.choice(crowd)
            began = time.perf_counter()
            expect(client.code("NOOP") == 200, "a session has ended")
            taken.append(time.perf_counter() - began)
            time.sleep(PACE)
    return [statistics.median(taken) for taken in times]


@check
def a_crowd_of_idle_and_active_sessions_costs_no_more_with_time(host):
    """Beside it runs another server with one session, which shares whatever else the machine does."""
    idle_count, active_count, seconds = (10_000, 200, 600) if host.is_long else (2_000, 50, 16)
    host.serve(log_level="warn")
    other = host.another()
    other.serve(log_level="warn")
    alone = [other.client()]
    before = host.at_rest()
    unloaded, _ = noops(3, [one := host.client()], alone)
    one.close()
    nobody, began = memory(host), time.monotonic()
    idle = [host.client(source=f"127.0.0.{2 + number % 20}") for number in range(idle_count)]
    logins = idle_count / (time.monotonic() - began)
    each = (memory(host) - nobody) / idle_count / 1024
    crowds = [Crowd(host, "active", active_count // 2, seconds) for _ in range(2)]
    time.sleep(seconds / 10)
    # The others' logins are in the database: each session looks up its account once more, and then has what it needs.
    for client in idle * 3:
        expect(client.code("NOOP") == 200, "a session has ended")
    first = memory(host)
    loaded, beside = noops(seconds / 2, idle, alone)
    last = memory(host)
    expect(all(crowd.is_there() for crowd in crowds), "it was measured too late")
    results = [crowd.result() for crowd in crowds]
    failed = sum((result["failed"] for result in results), [])
    done = sum(result["done"] for result in results)
    host.note(f"{idle_count} idle and {active_count} active for {seconds} s, {logins:.0f} logins a second, {done} transfers")
    host.note(f"an idle session takes {each:.1f} KiB")
    host.note(f"{len(failed)} failed, PSS {first / MIB:.1f} and then {last / MIB:.1f} MiB")
    host.note(f"NOOP {loaded * 1e6:.0f} us, of the other server {beside * 1e6:.0f} us, unloaded {unloaded * 1e6:.0f} us")
    expect(all(client.code("NOOP") == 200 for client in idle), "idle sessions have ended")
    expect(not failed, f"transfers failed: {failed[:5]}")
    expect(done >= active_count, f"there were only {done} transfers")
    # A few transfers more may have been under way all the time, and a thread may have come to more of its stack.
    expect(last < first * 1.05 + (1 + active_count / 8) * MIB, f"PSS grew from {first} to {last} bytes")
    expect(each < 14, f"an idle session takes {each:.1f} KiB")
    expect(loaded < 2 * beside, "a NOOP takes more than twice as long")
    for client in idle:
        client.close()
    host.rested(before)


@check
def silent_sockets_and_slow_logins_keep_no_good_client_out(host):
    seconds = 60 if host.is_long else 10
    host.serve(max_cons=512, log_level="warn")
    before = host.at_rest()
    crowds = [Crowd(host, *crowd, seconds) for crowd in [("silent", 1_000), ("silent", 1_000), ("slow", 200)]]
    time.sleep(2)
    times = []
    while all(crowd.is_there() for crowd in crowds):
        began = time.monotonic()
        while True:
            with Client(host.port) as client:
                # One who finds no place tries again, as clients do.
                if client.login():
                    expect(client.upload("STOR good", b"good") == 226, "a good client's upload fails")
                    expect(client.download("RETR good") == (226, b"good"), "a good client's download fails")
                    break
            expect(time.monotonic() < began + 30, "a good client is kept out")
            time.sleep(0.1)
        times.append(time.monotonic() - began)
        time.sleep(0.1)
    for crowd in crowds:
        crowd.result()
    host.note(f"{len(times)} good clients, median {statistics.median(times) * 1000:.0f} ms, longest {max(times):.2f} s")
    expect(max(times) < PATIENCE, f"good clients wait for {max(times):.1f} s, half of them {statistics.median(times):.1f} s")
    host.rested(before)


@check
def ten_thousand_pasv_that_nobody_comes_to_hold_a_port_for_each_session(host):
    host.serve(log_level="warn")
    before = host.at_rest()
    clients = [host.client() for _ in range(100)]
    for _ in range(100):
        expect([client.code("PASV") for client in clients] == [227] * 100, "a PASV is refused")
    grown = host.resources()[0] - before[0]
    expect(grown <= 200, f"{grown} descriptors")
    for client in clients:
        expect(client.upload("STOR file", b"x") == 226, "an upload fails")
        client.close()
    host.rested(before)
    host.note(f"{grown} descriptors for 100 sessions")


@check
def a_thousand_who_come_and_go_in_a_second_disturb_nobody(host):
    seconds = 60 if host.is_long else 10
    host.serve(log_level="warn", max_cons_per_ip=0)
    before = host.at_rest()
    first = memory(host)
    crowd = Crowd(host, "connects", 1_000, seconds)
    times = []
    while crowd.is_there():
        began = time.monotonic()
        host.serves()
        times.append(time.monotonic() - began)
        time.sleep(0.05)
    result = crowd.result()
    host.rested(before)
    rate = sum(result["answers"].values()) / result["seconds"]
    host.note(f"{result['answers']}, {rate:.0f} a second")
    host.note(f"others take {statistics.median(times) * 1000:.0f} ms, at most {max(times) * 1000:.0f} ms")
    host.note(f"PSS {first / MIB:.1f} and then {memory(host) / MIB:.1f} MiB")
    expect(set(result["answers"]) == {"220"}, f"they are answered {result['answers']}")
    expect(rate > 500, "the crowd itself was too slow")
    expect(max(times) < PATIENCE, "others have to wait")
    # What the first crowd touches of the program and of stacks stays.
    # A third of a kilobyte for each would not pass in the long form.
    expect(memory(host) < first + 16 * MIB, "it keeps memory of them")
