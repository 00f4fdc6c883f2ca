"""The Debian package: made of the static binary, examined, installed, started as its unit would, removed and purged."""

import os
import pwd
import re
import shlex
import shutil
import socket
import tomllib
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from check import check, expect, same
from host import ROOT, run, text
from with_systemd import values

CONFIGURATION = Path("/etc/django-ftpd.conf")
LEFT_BY_PURGE = ["/etc/django-ftpd.conf", "/etc/logrotate.d/django-ftpd", "/usr/bin/django-ftpd", "/var/log/django-ftpd"]
LEFT_BY_PURGE += ["/usr/lib/systemd/system/django-ftpd.service", "/lib/systemd/system/django-ftpd.service"]


@cache
def package(binary):
    """Made once, without building the binary again."""
    target = binary.parent.parent.name
    output = Path(mkdtemp(prefix="django-ftpd-deb-")) / "django-ftpd.deb"
    run("cargo", "deb", "--no-build", "--no-strip", "--locked", "--target", target, "--output", output, cwd=ROOT)
    return output


def remove(deb):
    shutil.rmtree(deb.parent, ignore_errors=True)


@check
def debian_package_has_what_it_should(host):
    deb = package(host.binary)
    names = set(re.findall(r" \./(\S*[^/\s])$", run("dpkg", "--contents", deb), re.MULTILINE))
    wanted = {"usr/bin/django-ftpd", "etc/django-ftpd.conf", "etc/logrotate.d/django-ftpd"}
    wanted |= {f"usr/share/man/man{section}.gz" for section in ["8/django-ftpd.8", "5/django-ftpd.conf.5"]}
    wanted |= {"usr/share/bash-completion/completions/django-ftpd", "usr/share/zsh/vendor-completions/_django-ftpd"}
    wanted |= {"usr/share/fish/vendor_completions.d/django-ftpd.fish"}
    expect(wanted <= names, f"it lacks {sorted(wanted - names)}")
    units = {name.rsplit("/", 1)[1] for name in names if "/systemd/system/" in name}
    expect(units == {"django-ftpd.service", "django-ftpd.socket"}, f"its units are {units}")
    field = lambda name: run("dpkg-deb", "--field", deb, name).strip()
    expect(field("Depends") == "adduser", f"a static binary depends on {field('Depends')}")
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    expect(field("Version") == f"{version}-1", f"its version is {field('Version')}")
    expect(f"({version}-1)" in (ROOT / "conf/debian/changelog").read_text(), "the changelog is about another version")
    host.note(f"{deb.stat().st_size} bytes")


@check
def debian_package_has_no_error_for_lintian(host):
    # Maintainer and host are nobody's: there is no archive that it is for.
    ignored = "bogus-mail-host,bogus-mail-host-in-debian-changelog"
    output = run("lintian", "--fail-on", "error", "--suppress-tags", ignored, "--allow-root", package(host.binary), ok=(0, 2))
    errors = [line for line in output.splitlines() if line.startswith("E:")]
    expect(not errors, "; ".join(errors))


@check
def debian_package_is_installed_started_removed_and_purged(host):
    expect(not CONFIGURATION.exists(), f"{CONFIGURATION} is there already")
    quietly = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run("dpkg", "--install", package(host.binary), env=quietly)
        user = pwd.getpwnam("django-ftpd")
        expect(user.pw_uid < 1000 and user.pw_shell.endswith("nologin"), f"its user is {user}")
        stat = CONFIGURATION.stat()
        expect((stat.st_uid, stat.st_gid, stat.st_mode & 0o777) == (0, user.pw_gid, 0o640), "everybody can read the configuration")
        run("systemd-analyze", "verify", "django-ftpd.service", "django-ftpd.socket")
        starts_as_the_unit_would(host, user)
        # What the administrator has written stays over an installation of the same, and a removal.
        run("dpkg", "--install", package(host.binary), env=quietly)
        run("dpkg", "--remove", "django-ftpd", env=quietly)
        expect(not Path("/usr/bin/django-ftpd").exists(), "the binary is still there")
        expect(f"127.0.0.1:{host.port}" in CONFIGURATION.read_text(), "the configuration was not kept")
    finally:
        run("dpkg", "--purge", "django-ftpd", env=quietly)
        remove(package(host.binary))
    left = [path for path in LEFT_BY_PURGE if Path(path).exists()]
    expect(not left, f"it leaves {left}")
    expect("django-ftpd" not in Path("/etc/passwd").read_text(), "it leaves its user")


def starts_as_the_unit_would(host, user):
    """With the unit's user, capabilities and directories; the port is one that needs them."""
    host.home
    host.own(user.pw_uid)
    logs = Path("/var/log") / values("LogsDirectory")[0]
    logs.mkdir(exist_ok=True)
    os.chown(logs, user.pw_uid, user.pw_gid)
    # Where port 21 is taken, another one stands for it; all below 1024 need the same.
    host.port = privileged_port()
    options = {"address": f"127.0.0.1:{host.port}", "database": host.path("site.sqlite3"), "journal": logs / "events.jsonl"}
    with CONFIGURATION.open("a") as configuration:
        configuration.write("".join(f"{name} = {text(value)}\n" for name, value in options.items()))
    capability = values("AmbientCapabilities")[0].removeprefix("CAP_").lower()
    words = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs"]
    words += [f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}", f"--bounding-set=-all,+{capability}"]
    process = host.start([*words, *shlex.split(values("ExecStart")[0])])
    host.curl("--upload-file", host.binary, path="x")
    same(host.home / "x", host.binary)
    expect(host.stop(process) == 0, "it did not stop in order")
    expect("ftp_file_received" in (logs / "events.jsonl").read_text(), "the journal is empty")


def privileged_port():
    for port in [21, *range(600, 700)]:
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no port below 1024 is free")
