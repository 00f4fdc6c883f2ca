"""The units, as systemd reads them; no systemd runs here, so the server is started as they would."""

import re
import shlex
import socket
import time

from check import check, expect
from host import CONF, adapted, ended, run

UNIT = CONF / "systemd/django-ftpd.service"
SOCKET = CONF / "systemd/django-ftpd.socket"
MOST_EXPOSURE = 2.0


def installed(host):
    """The units with the program where it is here."""
    unit = adapted(UNIT, host.path("django-ftpd.service"), {"ExecStart=django-ftpd ": f"ExecStart={host.binary} "})
    return unit, adapted(SOCKET, host.path("django-ftpd.socket"), {})


def values(name):
    """All values of a key of the unit."""
    return [line.split("=", 1)[1] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]


@check
def systemd_takes_the_units(host):
    output = run("systemd-analyze", "--man=no", "verify", *installed(host))
    expect(output.strip() == "", f"systemd-analyze verify says: {output}")


@check
def systemd_unit_is_little_exposed(host):
    unit, _ = installed(host)
    threshold = round(MOST_EXPOSURE * 10)
    output = run("systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", "--no-pager", unit)
    host.note(re.search(r"Overall exposure level.*: ([0-9.]+)", output).group(1))


@check
def systemd_unit_allows_each_system_call_of_the_server(host):
    host.home
    host.configure(xferlog=host.inner("xferlog"), sync_uploads=True)
    with host.path("django-ftpd.conf").open("a") as configuration:
        configuration.write('[[exec]]\nname = "x"\ncommand = ["/bin/true"]\n[[gate]]\nname = "y"\ncommand = ["/bin/true"]\n')
    trace = host.path("trace")
    words = ["strace", "--quiet=all", "--follow-forks", "--output", trace, *host.command("serve", "--config")]
    process = host.start([*map(str, words), host.inner("django-ftpd.conf")])
    host.curl("--upload-file", host.binary, path="x")
    host.curl("--output", host.path("y"), path="x")
    commands = ["RNFR x", "RNTO z", "SITE CHMOD 600 z", "MFMT 20010203040506 z", "DELE z", "MKD d", "RMD d"]
    host.curl(*[word for command in commands for word in ("--quote", command)])
    tracee = int(run("pgrep", "--parent", process.pid).split()[0])
    run("kill", tracee)
    expect(ended(process) == 0, "it did not stop in order")
    used = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", trace.read_text(), re.MULTILINE))
    expect({"openat2", "accept4", "execve"} <= used, f"the trace has only {sorted(used)}")
    forbidden = used - allowed()
    host.note(f"{len(used)} of them")
    expect(not forbidden, f"the filter lacks {', '.join(sorted(forbidden))}")


def allowed():
    """What SystemCallFilter= leaves, line for line."""
    calls = group("@default")
    for line in values("SystemCallFilter"):
        words = {call for word in line.removeprefix("~").split() for call in group(word)}
        calls = calls - words if line.startswith("~") else calls | words
    return calls


def group(name):
    if not name.startswith("@"):
        return {name}
    lines = [line.strip() for line in run("systemd-analyze", "--no-pager", "syscall-filter", name).splitlines()[1:]]
    return {call for line in lines if line and not line.startswith("#") for call in group(line)}


@check
def systemd_is_told_when_it_is_ready(host):
    """Needs Type=notify and the watchdog."""
    host.home
    host.configure()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(host.path("notify")))
        notified.settimeout(20)
        heard = lambda: notified.recv(4096).decode().splitlines()
        words = ["env", f"NOTIFY_SOCKET={host.path('notify')}", "WATCHDOG_USEC=400000"]
        process = host.start([*words, *host.command("serve", "--config", host.inner("django-ftpd.conf"))], greets=False)
        lines = heard()
        expect("READY=1" in lines, f"the first message is {lines}")
        host.wait_until_it_greets(process)
        until(heard, "WATCHDOG=1")
        until(heard, "WATCHDOG=1")
        process.send_signal(1)
        time.sleep(0.5)
        expect(process.poll() is None, "ExecReload= ends it")
        process.terminate()
        until(heard, "STOPPING=1")
        expect(ended(process) == 0, "it did not stop in order")


def until(heard, wanted):
    for _ in range(50):
        if wanted in heard():
            return
    expect(False, f"{wanted} does not come")


@check
def systemd_hands_the_port_over(host):
    """Needs socket activation."""
    name = re.search("FileDescriptorName=(.*)", SOCKET.read_text()).group(1)
    # The address of the configuration is none that the server could have.
    host.home
    host.configure(address="192.0.2.1:21")
    words = ["systemd-socket-activate", f"--listen=127.0.0.1:{host.port}", f"--fdname={name}"]
    process = host.start([*words, *host.command("serve", "--config", host.inner("django-ftpd.conf"))])
    host.curl("--upload-file", host.binary, path="x")
    expect(host.stop(process) == 0, "it did not stop in order")


@check
def systemd_unit_says_what_the_server_is_started_with(host):
    words = shlex.split(values("ExecStart")[0])
    expect(words == ["django-ftpd", "serve", "--config", "/etc/django-ftpd.conf"], f"ExecStart= is {words}")
    for name in ["User", "ReadWritePaths", "ProtectHome"]:
        lines = UNIT.read_text().splitlines()
        expect(any(line.startswith(f"# - {name}=") for line in lines), f"no comment tells what to do with {name}=")
        expect(len(values(name)) == 1, f"{name}= is not there once")


