"""The scripts of OpenRC, procd and BusyBox: read by their shells, and run where that is possible without being booted by them."""

import pwd
import shlex
import shutil

from check import check, eventually, expect, same
from host import CONF, adapted, run

OPENRC = CONF / "openrc/django-ftpd"
PROCD = CONF / "procd/django-ftpd"
BUSYBOX = CONF / "init.d/S90django-ftpd"

# What OpenRC has made when it has booted a system.
STATES = ["starting", "started", "stopping", "inactive", "failed", "daemons", "options", "exclusive", "scheduled", "tmp"]
OPENRC_STATES = " ".join(f"/run/openrc/{state}" for state in STATES)

# What procd's functions would tell procd.
PROCD_FUNCTIONS = """
procd_open_instance() { :; }
procd_close_instance() { :; }
procd_set_param() { echo "$*"; }
procd_send_signal() { echo "signal $*"; }
"""


@check
def init_scripts_are_sound_shell(host):
    for script in [OPENRC, PROCD, BUSYBOX]:
        run("shellcheck", "--shell=sh", script)
        run("busybox", "sh", "-n", script)
        expect(script.stat().st_mode & 0o111 == 0o111, f"{script.name} can't be run")


@check
def openrc_starts_reloads_and_stops_the_server(host):
    """In a mount namespace, where /etc/init.d has nothing else, and the system looks booted."""
    host.home
    texts = {'command="/usr/bin/django-ftpd"': f'command="{host.binary}"', "/etc/django-ftpd.conf": host.configure()}
    texts |= {"user:=django-ftpd": "user:=nobody", "need net localmount": "use net", "/var/log/": f"{host.directory}/log/"}
    host.path("log").mkdir()
    host.own(pwd.getpwnam("nobody").pw_uid)
    script = adapted(OPENRC, host.path("init.d/django-ftpd"), texts)
    script.chmod(0o755)
    service = "rc-service --nocolor django-ftpd"
    upload = f"curl -sS -T {host.binary} ftp://ann:ann-secret@127.0.0.1:{host.port}/x"
    steps = ["set -ex", f"mount --bind {script.parent} /etc/init.d", "mount -t tmpfs tmpfs /run"]
    steps += [f"mkdir -p /run/lock {OPENRC_STATES}", "touch /run/openrc/softlevel", f"{service} describe"]
    steps += [f"{service} start", f"for _ in $(seq 50); do {upload} && break; sleep 0.1; done"]
    steps += [ f"{service} status", f"{service} reload", "sleep 1", upload, f"{service} stop", f"! {service} status"]
    output = run("unshare", "--mount", "--", "sh", "-c", "\n".join(steps))
    same(host.home / "x", host.binary)
    expect("started" in output and "stopped" in output, f"rc-service says: {output[-500:]}")
    last = host.path("events.jsonl").read_text().splitlines()[-1]
    expect("ftp_server_stopped" in last, f"its last event is {last}")


@check
def procd_is_told_how_to_start_the_server(host):
    script = PROCD.read_text()
    expect(script.startswith("#!/bin/sh /etc/rc.common\n"), "rc.common does not run it")
    said = lambda function: run("busybox", "sh", "-euc", f"{PROCD_FUNCTIONS}\n. {PROCD}\n{function}").splitlines()
    told = said("start_service")
    command = next(line for line in told if line.startswith("command "))
    expect(command == "command /usr/bin/django-ftpd serve --config /etc/django-ftpd.conf", f"it is {command}")
    expect({"respawn 60 5 10", "term_timeout 30", "stderr 1"} <= set(told), f"procd is told {told}")
    expect(said("reload_service") == ["signal django-ftpd * HUP"], "reload sends no SIGHUP")
    expect(said('echo "$USE_PROCD $START $STOP"') == ["1 90 10"], "rc.common finds its numbers elsewhere")
    host.home
    words = shlex.split(command)[2:]
    words[words.index("/etc/django-ftpd.conf")] = host.configure()
    process = host.start(host.command(*words))
    host.curl("--upload-file", host.binary, path="x")
    expect(host.stop(process) == 0, "it did not stop in order")


@check
def busybox_starts_reloads_and_stops_the_server(host):
    """Needs daemonize and pidfile."""
    host.home
    # The script finds BusyBox's applets before Debian's tools.
    applets = host.path("applets")
    applets.mkdir()
    run("busybox", "--install", "-s", applets)
    (applets / "ftpd").unlink(missing_ok=True)
    pidfile = host.path("django-ftpd.pid")
    variables = [f"DAEMON={host.binary}", f"CONFIG={host.configure(log_file=host.path('django-ftpd.log'))}", f"PIDFILE={pidfile}", f"PATH={applets}"]
    script = lambda word, ok=(0,): run("env", "-i", *variables, shutil.which("busybox"), "sh", BUSYBOX, word, ok=ok, seconds=60)
    expect("not running" in script("status", ok=(3,)), "it runs already")
    try:
        expect(script("start").strip().endswith("OK"), "start does not say OK")
        # Nobody has to wait: it serves by then.
        host.curl("--upload-file", host.binary, path="x")
        same(host.home / "x", host.binary)
        first = pidfile.read_text()
        expect(script("start", ok=(1,)).strip().endswith("FAIL"), "it was started twice")
        expect("is running" in script("status"), "status does not see it")
        script("reload")
        host.curl("--upload-file", host.binary, path="y")
        expect(script("restart").strip().endswith("OK"), "restart does not say OK")
        expect(pidfile.read_text() != first, "it is the same process")
        host.curl("--output", host.path("back"), path="y")
    finally:
        stopped = script("stop", ok=(0, 1))
    expect(stopped.strip().endswith("OK"), f"stop says {stopped}")
    eventually(lambda: "not running" in script("status", ok=(3,)), "it still runs")
    last = host.path("events.jsonl").read_text().splitlines()[-1]
    expect("ftp_server_stopped" in last, f"its last event is {last}")
    # Why it can't start is told, and fails.
    host.path("django-ftpd.conf").write_text("no_such_option = 1\n")
    output = script("start", ok=(1,))
    expect("no_such_option" in output and output.strip().endswith("FAIL"), f"start says {output}")


