"""logrotate's file, with a server that writes."""

import re
import time

from check import check, eventually, expect
from host import CONF, adapted, run


def rotation(host):
    """The file, for the logs of this host; logrotate wants it to be root's alone."""
    texts = {"/var/log/django-ftpd/": f"{host.directory}/log/", "su django-ftpd django-ftpd": "su root root"}
    texts |= {"    weekly": "    size 1"}
    path = adapted(CONF / "logrotate.conf", host.path("rotation.conf"), texts)
    path.chmod(0o600)
    host.path("log").mkdir()
    return path


def rotate(host, path):
    return run("logrotate", "--force", "--verbose", "--state", host.path("rotation.state"), path)


@check
def logrotate_takes_the_file(host):
    path = rotation(host)
    output = run("logrotate", "--debug", "--state", host.path("rotation.state"), path)
    expect("error" not in output.lower(), f"logrotate --debug says: {output}")


@check
def logrotate_moves_the_transfer_log(host):
    path = rotation(host)
    log = host.path("log/xferlog")
    host.serve(xferlog=host.inner("log/xferlog"))
    moves(host, path, log, lambda name: (lambda: f"/{name} b _ " in log.read_text() if log.exists() else False))


@check
def logrotate_moves_the_log_file(host):
    """Needs log_file."""
    path = rotation(host)
    log = host.path("log/django-ftpd.log")
    host.serve(log_file=host.inner("log/django-ftpd.log"))
    moves(host, path, log, lambda name: (lambda: f'/{name}"' in log.read_text() if log.exists() else False))


def moves(host, rotation_file, log, tells_of):
    """Every upload is told of once, in one of the files, and none of them in two."""
    for number in range(3):
        host.curl("--upload-file", rotation_file, path=f"file{number}")
        eventually(tells_of(f"file{number}"), f"the log does not tell of file{number}")
        rotate(host, rotation_file)
        # The server looks once a second whether the name stands for another file; until then it writes to the old one.
        time.sleep(1.2)
    host.curl("--upload-file", rotation_file, path="file3")
    eventually(tells_of("file3"), "the log was not opened anew")
    expect((log.parent / f"{log.name}.1").exists(), "nothing was moved")
    expect((log.parent / f"{log.name}.2.gz").exists(), "nothing was compressed")
    everything = run("zcat", "--force", *log.parent.glob(f"{log.name}*"))
    for number in range(4):
        lines = [line for line in everything.splitlines() if re.search(rf"/file{number}\b", line)]
        expect(len([line for line in lines if "ftp_file_received" in line or " b _ i " in line]) == 1, f"{lines}")
