"""What comes from outside of the process: the time of day, and the names of hosts."""

import datetime
import socket
import time
from pathlib import Path

from check import check, expect, noise
from client import Client
from host import ROOT

CONTENT = noise(200_000)
# libfaketime takes the place of functions of the C library, which the static binary has within.
DYNAMIC = ROOT / "target/debug/django-ftpd"
RESOLVER = ("127.0.0.9", 53)
# The system asks a resolver that is silent twice, for five seconds each.
PATIENCE = 1


@check
def clocks_that_jump_for_years_end_nothing(host):
    """Sessions, transfers, bans and deadlines go on, whatever the time of day has become."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    expect(libraries, "libfaketime is missing (Debian: faketime)")
    expect(DYNAMIC.exists(), "there is no target/debug/django-ftpd; cargo build makes it")
    clock = host.path("clock")
    clock.write_text("+0\n")
    faked = {"LD_PRELOAD": libraries[0], "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1"}
    faked |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    host.binary = DYNAMIC
    host.prefix = ["env", *(f"{name}={value}" for name, value in faked.items())]
    host.serve(timeout=60, login_timeout=20, data_timeout=20, ban_failures=3, ban_seconds=600, journal_sync="always")
    before = host.at_rest()
    with Client(host.port, "127.0.0.66") as wrong:
        for _ in range(3):
            expect(wrong.code("USER ann") == 331 and wrong.code("PASS wrong") != 230, "a wrong password is taken")
    expect(is_banned(host), "three wrong passwords are no ban")
    there, named = host.client(), Client(host.port)
    expect(named.code("USER ann") == 331, "no name is taken")
    years = []
    for number, jump in enumerate(["+3650d", "-7300d", "+0"]):
        data = there.connect()
        expect(there.code(f"STOR {number}") == 150, "no upload begins")
        data.sendall(CONTENT[:100_000])
        clock.write_text(f"{jump}\n")
        time.sleep(1)
        data.sendall(CONTENT[100_000:])
        data.close()
        expect((there.reply() or "").startswith("226"), f"{jump}: the upload does not end")
        expect((host.home / str(number)).read_bytes() == CONTENT, f"{jump}: the upload is not whole")
        expect(there.download("LIST")[0] == 226, f"{jump}: there is no listing")
        expect(is_banned(host), f"{jump}: the ban is over")
        host.serves()
        years.append(host.events()[-1]["time"][:4])
    expect(named.code("PASS ann-secret") == 230, "who was about to log in may not")
    now = datetime.date.today().year
    far = [int(year) - now in range(low, low + 2) for year, low in zip(years, (9, -21, -1))]
    expect(all(far), f"the clock has not jumped: the journal is of {years}")
    for client in (there, named):
        client.close()
    host.rested(before)
    expect(host.stop(host.process) == 0, "it does not stop in order")
    expect({"0", "1", "2"} <= host.received(), "the journal lacks an upload")
    host.note(f"the journal is of {', '.join(years)}")


def is_banned(host):
    with Client(host.port, "127.0.0.66") as client:
        return not (client.greeting or "").startswith("220")


@check
def a_resolver_that_is_silent_holds_up_nobody(host):
    """Names of the address behind a NAT and of a webhook can't be found; who starts waits for the first, and no session."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(RESOLVER)
        conf = host.path("resolv.conf")
        conf.write_text(f"nameserver {RESOLVER[0]}\n")
        bind = f"mount --bind {conf} /etc/resolv.conf && exec \"$@\""
        host.prefix = ["unshare", "--mount", "sh", "-c", bind, "sh"]
        host.sections = '[[webhook]]\nname = "far"\nurl = "http://hooks.example.org/"\n'
        began = time.monotonic()
        host.serve(masquerade_address="ftp.example.org", masquerade_local=True)
        started = time.monotonic() - began
        asked, _ = resolver.recvfrom(1000)
        expect(b"example" in asked, "the resolver was not asked")
        longest = 0
        for _ in range(5):
            began = time.monotonic()
            host.serves()
            with host.client() as ann:
                expect(ann.code("PASV") == 227, "PASV is refused")
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.5)
        expect(longest < PATIENCE, f"sessions wait for {longest:.2f} s")
        log = host.log()
        expect("masquerade_address ftp.example.org: " in log and "is announced" in log, "the log does not tell of the name")
        began = time.monotonic()
        expect(host.stop(host.process) == 0, "it does not stop in order")
        host.note(f"it starts within {started:.1f} s and stops within {time.monotonic() - began:.1f} s")
        host.note(f"sessions take {longest * 1000:.0f} ms at most")
