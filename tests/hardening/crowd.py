#!/usr/bin/env python3
"""Many clients in a process of their own: `crowd.py KIND PORT COUNT SECONDS`. What became of them is printed as JSON."""

import sys

sys.dont_write_bytecode = True

import json
import os
import random
import resource
import socket
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from client import Client, Silent

# Nobody has more than some thousand ports to come from.
ADDRESSES = 20
SIZES = [0, 1_000, 20_000, 100_000, 300_000]
CONNECTING_THREADS = 10


def address(number):
    return f"127.0.0.{2 + number % ADDRESSES}"


def active(port, count, seconds):
    """So many who send a file every second, get it back, list, and remove it."""
    results, until = [], time.monotonic() + seconds
    content = os.urandom(max(SIZES))

    def work(number):
        tally = {"done": 0, "failed": []}
        results.append(tally)
        chance = random.Random(f"{os.getpid()} {number}")
        name = f"active-{os.getpid()}-{number}"
        try:
            with Client(port, address(number)) as client:
                if not client.login():
                    tally["failed"].append(f"login: {client.greeting}")
                while not tally["failed"] and time.monotonic() < until:
                    time.sleep(chance.uniform(0.5, 1.5))
                    sent = content[: chance.choice(SIZES)]
                    answers = [client.upload(f"STOR {name}", sent), client.download(f"RETR {name}")]
                    answers += [client.download(f"MLSD {name[:-1]}x")[0], client.code(f"DELE {name}")]
                    is_right = answers == [226, (226, sent), 550, 250]
                    tally["done"] += 3 * is_right
                    if not is_right:
                        tally["failed"].append(str([answers[0], answers[1][0], *answers[2:]]))
        except Silent as silent:
            tally["failed"].append(str(silent))

    all_of(work, count)
    return {"done": sum(tally["done"] for tally in results), "failed": sum((tally["failed"] for tally in results), [])}


def connects(port, count, seconds):
    """So many in a second who come, hear the greeting, and go."""
    began, answers = time.monotonic(), []

    def work(number):
        for turn in range(number, count * seconds, CONNECTING_THREADS):
            pause = began + turn / count - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            try:
                with Client(port, address(turn)) as client:
                    answers.append((client.greeting or "nothing")[:3])
                    client.say("QUIT")
            except Silent:
                answers.append("silence")

    all_of(work, CONNECTING_THREADS)
    return {"answers": {answer: answers.count(answer) for answer in set(answers)}, "seconds": time.monotonic() - began}


def silent(port, count, seconds):
    """So many who connect and say nothing; who is sent away comes again. They are refused as is due."""
    until, sockets = time.monotonic() + seconds, []
    while time.monotonic() < until:
        for connection in sockets[:]:
            if is_over(connection):
                sockets.remove(connection)
        while len(sockets) < count:
            connection = connected(port, len(sockets))
            if connection is None:
                break
            sockets.append(connection)
        time.sleep(0.2)
    return {"there": len(sockets)}


def slow(port, count, seconds):
    """So many who log in with a byte in a second."""
    until, sockets = time.monotonic() + seconds, [None] * count
    turn = 0
    while time.monotonic() < until:
        for number, connection in enumerate(sockets):
            if connection is None or is_over(connection):
                sockets[number] = connection = connected(port, number)
            try:
                connection and connection.send(b"USER ann\r\n"[turn % 8 : turn % 8 + 1])
            except OSError:
                pass
        turn += 1
        time.sleep(1)
    return {"there": len([each for each in sockets if each])}


def connected(port, number):
    try:
        connection = socket.create_connection(("127.0.0.1", port), 1, (address(number), 0))
        connection.setblocking(False)
        return connection
    except OSError:
        return None


def is_over(connection):
    """Takes what the server has said; true if it has hung up."""
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    connection.close()
    return True


def all_of(work, count):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    kinds = {kind.__name__: kind for kind in (active, connects, silent, slow)}
    kind, port, count, seconds = kinds[sys.argv[1]], *map(int, sys.argv[2:])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(kind(port, count, seconds)))


if __name__ == "__main__":
    main()
