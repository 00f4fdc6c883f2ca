"""kill -9 in the middle of fifty uploads, again and again."""

import random
import threading
import time

from check import check, eventually, expect, noise
from client import uploads_at_once
from tracer import Tracer

AT_ONCE = 50
# Of all sizes: some are on their way, and others about to get their names.
SIZES = [0, 1, 4_096, 70_000, 300_000, 1_000_000]


@check
def a_server_killed_during_fifty_uploads_has_kept_what_it_acknowledged(host):
    rounds = 20 if host.is_long else 3
    host.serve(journal_sync="always", sync_uploads=True)
    acknowledged, begun, old = {}, {}, {}
    for round in range(rounds):
        clients = [host.client() for _ in range(AT_ONCE)]
        for number in range(0, AT_ONCE, 5):
            old[f"{round}-{number}-0"] = noise(5_000, number)
            (host.home / f"{round}-{number}-0").write_bytes(old[f"{round}-{number}-0"])
        uploading = []
        for number, client in enumerate(clients):
            work = (client, f"{round}-{number}", acknowledged, begun)
            uploading.append(threading.Thread(target=uploads, args=work))
            uploading[-1].start()
        time.sleep(random.Random(round).uniform(0.05, 1.0))
        host.process.kill()
        host.process.wait()
        for thread in uploading:
            thread.join()
        for client in clients:
            client.close()
        # The server knows after a minute that the young ones are nobody's.
        waits = host.is_long and round + 1 == rounds
        host.plant_leftover()
        if not waits:
            host.age_leftovers()
        host.again()
        host.serves()
        patience = 120 if waits else 30
        eventually(lambda: not host.leftovers(), "temporary files stay after a restart", patience)
    whole(host, acknowledged, begun, old)
    host.note(f"{rounds} kills, {len(begun)} uploads, {len(acknowledged)} of them acknowledged")
    expect(host.stop(host.process) == 0, "it does not stop in order")
    host.events()


def uploads(client, name, acknowledged, begun):
    """One file after the other, until the server is gone."""
    for number in range(1_000):
        size = SIZES[random.Random(f"{name} {number}").randrange(len(SIZES))]
        file = f"{name}-{number}"
        begun[file] = size
        code = client.upload(f"STOR {file}", noise(size, file))
        if code == 226:
            acknowledged[file] = size
        elif client.code("NOOP") != 200:
            return


def whole(host, acknowledged, begun, old):
    """Each file is whole, those that were acknowledged are there, and the journal knows them."""
    for name, size in begun.items():
        path = host.home / name
        content = path.read_bytes() if path.exists() else None
        is_whole = content == noise(size, name)
        if name in acknowledged:
            expect(is_whole, f"{name} was acknowledged, and is not whole")
        else:
            # One that nobody heard of any more may have got its name in time.
            expect(is_whole or content == old.get(name), f"{name} was not acknowledged, and is half there")
    expect(set(acknowledged) <= host.received(), "the journal lacks what was acknowledged")


@check
def a_server_killed_while_the_disk_is_slow_has_told_nobody(host):
    """It is certain then that some are between the end of their data and their names."""
    host.serve(sync_uploads=True)
    clients = [host.client() for _ in range(10)]
    with Tracer(host.threads("session"), "fsync,fdatasync", "delay_enter=3000000"):
        answers = uploads_at_once(clients, noise(70_000))
        time.sleep(1)
        host.process.kill()
        host.process.wait()
    codes = answers()
    expect(codes == [0] * len(clients), f"somebody was told {codes}")
    expect(not list(host.home.iterdir()), f"there are {list(host.home.iterdir())}")
    host.again()
    host.serves()
