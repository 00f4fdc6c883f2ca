"""The section "Serve your site" of the README, command by command: from a new project to a picture in its receiver."""

import os
import re
import shutil
import signal
import subprocess
import sys

from check import TOO_LONG, check, expect
from django_project import APP, soon
from site_under_test import free_ports

README = APP.parent.parent / "README.md"
# What the blocks of the section are, in this order.
BLOCKS = ["sh", "python", "python", "sh", "toml", "sh", "sh"]


class Host:
    """The section's host in a directory: its /srv, /etc and /var; one user is root and www-data there."""

    def __init__(self, room):
        self.root = room.here
        self.port, _ = free_ports("127.0.0.1")
        for directory in ["bin", "srv/site", "etc", "clone"]:
            (self.root / directory).mkdir(parents=True)
        self.site = self.root / "srv/site"
        (self.site / "venv").symlink_to(sys.prefix)
        (self.root / "bin/django-ftpd").symlink_to(room.site.binary)
        ignore = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
        shutil.copytree(APP, self.root / "clone/conf/django", ignore=ignore)
        names = (name for name in os.environ if not name.startswith(("DJANGO_", "FTPSERVER_")) and name != "PYTHONPATH")
        self.environment = {name: os.environ[name] for name in names}
        self.environment["PATH"] = f"{self.root}/bin:{os.environ['PATH']}"

    def here(self, text):
        """What the README says, on this host, where the binary is there and nobody is at the terminal."""
        for place in ["/srv/", "/etc/", "/var/log/"]:
            text = re.sub(rf"(?<![\w/.]){place}", f"{self.root}{place}", text)
        changes = {
            "cargo build --release\n": "",
            "cp target/release/django-ftpd /usr/local/bin/\n": "",
            " -o www-data": "",
            "chown www-data": "chown $(id -u)",
            "runuser -u www-data -- ": "",
            'file_access_user = "www-data"': "#",
            "django-ftpd user create cam1": "echo cam-secret | django-ftpd user create --password-stdin cam1",
            "--user cam1": "--user cam1:cam-secret",
            "0.0.0.0:21": f"127.0.0.1:{self.port}",
            "ftp.example.org:21:": f"ftp.example.org:{self.port}:",
            "ftp://ftp.example.org/": f"ftp://ftp.example.org:{self.port}/",
        }
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    def runs(self, commands, directory):
        done = subprocess.run(
            ["bash", "-euxc", self.here(commands)],
            cwd=directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TOO_LONG,
            text=True,
        )
        expect(done.returncode == 0, done.stdout[-800:])


def blocks():
    section = README.read_text().split("\n## Serve your site\n")[1].split("\n## ")[0]
    found = re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    expect([language for language, _ in found] == BLOCKS, f"the section has {[language for language, _ in found]}")
    return [text for _, text in found]


@check
def the_walk_of_the_readme_leads_to_the_receiver(room):
    host = Host(room)
    build, setting, receiver, accounts, configuration, start, camera = blocks()
    host.runs("venv/bin/django-admin startproject mysite .; venv/bin/python manage.py startapp cameras", host.site)
    with open(host.site / "mysite/settings.py", "a") as settings:
        settings.write(f"{setting}INSTALLED_APPS += ['cameras']\n")
    (host.site / "cameras/receivers.py").write_text(receiver)
    with open(host.site / "cameras/apps.py", "a") as app:
        app.write("\n    def ready(self):\n        from . import receivers  # noqa\n")

    host.runs(build, host.root / "clone")
    host.runs(accounts, host.site)
    (host.root / "etc/django-ftpd.conf").write_text(host.here(configuration))
    output = host.root / "output"
    with open(output, "w") as file:
        both = subprocess.Popen(
            ["bash", "-euc", host.here(start) + "wait"],
            cwd=host.site,
            env=host.environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        host.runs(camera, host.site)
        picture = host.root / "srv/ftp/cam1/picture.jpg"
        soon(lambda: f"cam1 has sent {picture}" in output.read_text(), lambda: output.read_text()[-800:])
        expect(picture.read_bytes() == (host.site / "manage.py").read_bytes(), "the picture is another")
        expect("FAULT" not in output.read_text(), output.read_text())
    finally:
        os.killpg(both.pid, signal.SIGTERM)
        both.wait()
