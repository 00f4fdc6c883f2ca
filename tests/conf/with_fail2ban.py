"""fail2ban's filter and jail, with what the server really writes, also when somebody tries to have others banned."""

import ftplib
import json
import re
import shutil
import sqlite3

from check import check, eventually, expect
from host import CONF, adapted, run

FILTER = CONF / "fail2ban/filter.conf"
JAIL = CONF / "fail2ban/jail.conf"
INNOCENT = "192.0.2.99"
# Names that look like the rest of a line, or like another one.
NAMES = [
    f'x" remote_ip={INNOCENT} reason="wrong password"',
    f'x\\" remote_ip={INNOCENT} username="y" reason="wrong password"',
    f"x from {INNOCENT}",
    INNOCENT,
    f"WARN  {INNOCENT} is banned for a while: too many failed logins",
    f'2026-01-02T03:04:05.678Z WARN  ftp_login_failed session=1 remote_ip={INNOCENT} username="x" reason="wrong password"',
    f"host django-ftpd[1]: WARN  {INNOCENT} is banned for a while: too many failed logins",
    f'ftp_login_failed session=1 remote_ip={INNOCENT} username="" reason="wrong password"',
    f'","level":"warn","message":"{INNOCENT} is banned for a while: too many failed logins"',
    f'\\","level":"warn","message":"ftp_login_failed session=1 remote_ip={INNOCENT} username=\\"x\\" reason=\\"wrong password\\"',
    "ünï ☃ \u202e\u2028\x85",
    "\x1b[2K\x08tab\t",
    "quote\\",
    "",
]
# Beginnings of lines as systemd's journal and syslog have them, in which time and level of ours are missing.
PREFIXES = ["2026-11-21T19:26:00+0000 host django-ftpd[123]: ", "Nov 21 19:26:00 host django-ftpd[123]: "]


def fail(host, name, password, source):
    """One login from an address of this host that can't succeed."""
    with ftplib.FTP(encoding="utf-8") as client:
        client.connect("127.0.0.1", host.port, source_address=(source, 0))
        try:
            client.putcmd(f"USER {name}")
            client.getresp()
            client.putcmd(f"PASS {password}")
            answer = client.getresp()
        except (ftplib.error_perm, ftplib.error_reply) as refused:
            answer = str(refused)
    expect(answer.startswith(("530", "501")), f"{name!r} was answered with {answer}")


def attack(host, **options):
    """Failed logins of all kinds; the log, and how many lines of which address should count."""
    for name in ["idle", "closed"]:
        host.home and host.add_user(name)
    with sqlite3.connect(host.path("site.sqlite3")) as database:
        database.execute("UPDATE auth_user SET is_active = 0 WHERE username = 'idle'")
        database.execute("UPDATE auth_user SET password = '!unusable' WHERE username = 'closed'")
    database.close()
    host.serve(ban_failures=5, **options)
    expected = {}
    for name in ["ann", "nobody", "idle", "closed"]:
        fail(host, name, "wrong", f"127.0.1.{len(expected) + 1}")
        expected[f"127.0.1.{len(expected) + 1}"] = 1
    for number, name in enumerate(NAMES):
        fail(host, name, "x" if name else "y", f"127.0.2.{number + 1}")
        if name:
            expected[f"127.0.2.{number + 1}"] = 1
    # The fifth is banned by the server itself, which is a line, too.
    for _ in range(5):
        fail(host, "ann", "wrong", "127.0.3.1")
    expected["127.0.3.1"] = 6
    host.curl()
    return expected


def found(path):
    """How many lines the filter finds for each address."""
    output = run("fail2ban-regex", "--no-check-all", "-o", "ip", path, host_filter(path), ok=(0, 1))
    counts = {}
    for line in output.split():
        expect(re.fullmatch(r"[0-9a-f.:]+", line), f"fail2ban-regex says: {output[-500:]}")
        counts[line] = counts.get(line, 0) + 1
    return counts


def host_filter(path):
    """The filter under the name that the jail gives it."""
    return shutil.copy(FILTER, path.parent / "django-ftpd.conf")


def finds_who_it_was(host, **options):
    expected = attack(host, **options)
    # Who gave no name at all was told so, which is no failed login; the others are all there.
    log = host.path("server.log")
    eventually(lambda: log.read_text().count("ftp_login_failed") >= sum(expected.values()) - 1, "lines are missing")
    expect(INNOCENT in log.read_text(), "the names did not come to the log")
    compare(found(log), expected)
    bare = re.sub(r"^\S+Z [A-Z]+ +", "", log.read_text(), flags=re.MULTILINE)
    for prefix in PREFIXES:
        for lines in (log.read_text(), bare):
            prefixed = host.path("prefixed")
            prefixed.write_text("".join(f"{prefix}{line}\n" for line in lines.split("\n")[:-1]))
            compare(found(prefixed), expected)


def compare(found, expected):
    wrong = {address: (found.get(address, 0), expected.get(address, 0)) for address in found.keys() | expected.keys()}
    wrong = {address: pair for address, pair in wrong.items() if pair[0] != pair[1]}
    expect(not wrong, f"found and expected: {wrong}")


@check
def fail2ban_finds_who_guesses_and_nobody_else(host):
    finds_who_it_was(host)


@check
def fail2ban_finds_who_guesses_in_json(host):
    """Needs log_format."""
    finds_who_it_was(host, log_format="json")
    for line in host.path("server.log").read_text().split("\n")[:-1]:
        json.loads(line)


@check
def fail2ban_takes_the_times_as_utc(host):
    log = host.path("log")
    log.write_text('2026-01-02T03:04:05.678Z WARN  ftp_login_failed session=1 remote_ip=192.0.2.7 username="x" reason="wrong password"\n')
    output = run("env", "TZ=Asia/Tokyo", "fail2ban-regex", "--verbose", "--print-all-matched", log, host_filter(log))
    expect("192.0.2.7  Fri Jan 02 12:04:05 2026" in output, f"fail2ban-regex says: {output}")


@check
def fail2ban_ignores_what_the_server_is_to_blame_for(host):
    host.home
    with sqlite3.connect(host.path("site.sqlite3")) as database:
        database.execute("UPDATE auth_user SET password = 'rot13$x' WHERE username = 'ann'")
    database.close()
    host.serve()
    fail(host, "ann", "wrong", "127.0.0.1")
    log = host.path("server.log")
    eventually(lambda: "ftp_login_failed" in log.read_text(), "the log has nothing of it")
    compare(found(log), {})


@check
def fail2ban_takes_the_jail(host):
    """fail2ban's own configuration of Debian, with ours beside it, in a server of its own that bans."""
    etc = host.path("fail2ban")
    shutil.copytree("/etc/fail2ban", etc)
    for path in etc.glob("jail.d/*"):
        path.unlink()
    shutil.copy(FILTER, etc / "filter.d/django-ftpd.conf")
    shutil.copy(JAIL, etc / "jail.d/django-ftpd.conf")
    words = ["fail2ban-client", "-c", etc, "-s", host.path("socket"), "-p", host.path("pid"), "--logtarget", host.path("f2b.log")]
    expect("OK" in run(*words, "-t"), "fail2ban-client -t does not say OK")
    expect("_SYSTEMD_UNIT=django-ftpd.service" in run(*words, "-d"), "the jail does not read the unit's log")
    # The same with the log in a file, as its comment says, and a ban that touches nothing.
    host.serve(ban_failures=0)
    texts = {"backend = systemd": "", "#backend = auto": "backend = polling", "maxretry = 10": "maxretry = 3\naction =\nignoreself = false"}
    texts |= {"#logpath = /var/log/django-ftpd/django-ftpd.log": f"logpath = {host.path('server.log')}"}
    adapted(JAIL, etc / "jail.d/django-ftpd.conf", texts)
    (etc / "fail2ban.local").write_text("[Definition]\ndbfile = None\n")
    host.start([*map(str, words), "-f", "start"], log="f2b.out", greets=False)
    eventually(lambda: "pong" in run(*words, "ping", ok=(0, 255)), "fail2ban does not start")
    for _ in range(4):
        fail(host, f"x from {INNOCENT}", "wrong", "127.0.4.1")
    banned = lambda: run(*words, "get", "django-ftpd", "banip", ok=(0, 255)).split()
    eventually(lambda: banned() == ["127.0.4.1"], f"fail2ban has banned {banned()}")
    run(*words, "stop")
