"""supervisor's file, with Debian's supervisord."""

import time

from check import check, eventually, expect, same
from host import CONF, adapted, ended, run

MAIN = """
[supervisord]
logfile = {0}/supervisord.log
pidfile = {0}/supervisord.pid
[unix_http_server]
file = {0}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{0}/supervisor.sock
[include]
files = {0}/conf.d/*.conf
"""


@check
def supervisor_starts_restarts_and_stops_the_server(host):
    host.home
    configuration = host.configure()
    log = host.path("django-ftpd.log")
    texts = {"command=django-ftpd": f"command={host.binary}", "/etc/django-ftpd.conf": configuration}
    texts |= {"/var/log/supervisor/django-ftpd.log": log}
    adapted(CONF / "supervisor.conf", host.path("conf.d/django-ftpd.conf"), texts)
    main = host.path("supervisord.conf")
    main.write_text(MAIN.format(host.directory))
    supervisord = host.start(["supervisord", "--nodaemon", "--configuration", str(main)], log="supervisor.out")
    control = lambda *words, ok=(0,): run("supervisorctl", "--configuration", main, *words, ok=ok)
    eventually(lambda: "RUNNING" in control("status", ok=(0, 3)), "supervisor does not see it running")
    host.curl("--upload-file", host.binary, path="x")
    same(host.home / "x", host.binary)
    first = control("pid", "django-ftpd")
    expect("started" in control("restart", "django-ftpd"), "it was not restarted")
    host.wait_until_it_greets()
    expect(control("pid", "django-ftpd") != first, "it is the same process")
    host.curl("--output", host.path("y"), path="x")
    # supervisor starts it anew when it dies.
    pid = control("pid", "django-ftpd")
    run("kill", "-KILL", pid.strip())
    eventually(lambda: control("pid", "django-ftpd") not in (pid, "0\n"), "it was not started again")
    host.wait_until_it_greets()
    expect("stopped" in control("stop", "django-ftpd"), "it was not stopped")
    expect("listens on" in log.read_text(), "its log is not where the file says")
    expect("ftp_server_stopped" in host.path("events.jsonl").read_text().splitlines()[-1], "its last event is missing")
    # A wrong configuration is not tried again and again.
    host.path("django-ftpd.conf").write_text("no_such_option = 1\n")
    control("start", "django-ftpd", ok=(0, 1, 7))
    status = lambda: control("status", ok=(0, 3))
    # Three attempts, each a second later than the one before.
    until = time.monotonic() + 30
    while "FATAL" not in status():
        expect(time.monotonic() < until, f"it does not give up: {status()}")
        time.sleep(0.5)
    supervisord.terminate()
    expect(ended(supervisord) == 0, "supervisord did not stop in order")
