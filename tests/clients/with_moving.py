"""conf/django/MOVING.md, command by command: from a running django-ftpserver to this server, and back."""

import ftplib
import io
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap

import stores
from check import TOO_LONG, check, expect
from django_project import APP, Project, soon
from site_under_test import free_ports, listener
from with_django_app import connect, serve

PAGE = APP / "MOVING.md"
TITLES = [
    "1. A configuration from your settings",
    "2. A look at it, beside the old server",
    "3. The change",
    "4. Signals",
    "Back",
    "From djftpd",
]
DJFTPD = APP.parent.parent / "tests" / "fixtures" / "djftpd.sql"

# Where logins are written, and what the receivers of the project write.
CHANGING = ["django_ftpserver_ftpuseraccount", "myapp_ftpauditlog", "sqlite_sequence"]

OLD_UNIT = """
[Service]
WorkingDirectory=/srv/site
ExecStart=/srv/site/venv/bin/python -B manage.py ftpserver
"""

# Does of systemd's work what the page needs: starts what a unit says, and ends it.
SYSTEMCTL = """
    #!/bin/bash
    set -eu
    [ "$1" != daemon-reload ] || exit 0
    [ "$2" = --now ] && unit=%(root)s/etc/systemd/system/$3.service running=%(root)s/$3.pid
    if [ "$1" = disable ]; then
        kill -INT "$(cat "$running")"
        # As the real one does; the old server does not always hear.
        [ "$3" != ftpserver ] || timeout 10 tail --pid="$(cat "$running")" -f /dev/null || kill -KILL "$(cat "$running")"
        tail --pid="$(cat "$running")" -f /dev/null
        rm "$running"
        exit
    fi
    command=$(sed -n 's/^ExecStart=//p' "$unit" | sed 's# /etc/# %(root)s/etc/#')
    cd "$(sed -n 's/^WorkingDirectory=//p' "$unit")"
    exec env -u NOTIFY_SOCKET setsid $command >>"%(root)s/$3.output" 2>&1 </dev/null &
    echo $! >"$running"
"""


class Place:
    """The page's /srv, /etc, /var and ~ in a directory, and what it runs there."""

    def __init__(self, room):
        self.port, self.second_port = free_ports("127.0.0.1")
        self.root = room.here
        self.directory = self.root / "srv/site"
        self.commands = commands_of_the_page()
        (self.root / "bin").mkdir()
        (self.root / "bin/django-ftpd").symlink_to(room.site.binary)

    def here(self, text):
        """What the page says, on this host."""
        for place in ["/srv/", "/etc/", "/var/log/"]:
            text = re.sub(rf"(?<![\w/.]){place}", f"{self.root}{place}", text)
        return text.replace(":2121", f":{self.second_port}").replace("0.0.0.0:21\"", f"127.0.0.1:{self.port}\"")

    def runs(self, title):
        """The commands below a heading; what they say."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
        environment |= {"HOME": str(self.root / "home"), "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-euxc", self.here(self.commands[title])],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TOO_LONG,
            text=True,
            errors="surrogateescape",
        )
        expect(done.returncode == 0, f"{title}: {done.stdout[-800:]}")
        return done.stdout


class Host(Place):
    """With a project, and a systemd of its own."""

    def __init__(self, room):
        super().__init__(room)
        settings = f"FTPSERVER_PORT = {self.port}\nFTPSERVER_PASSIVE_PORTS = '20000-20100'\n"
        self.project = Project(room, name="srv/site", settings=settings)
        # Before the page, nothing of the app is known.
        self.edit("settings.py", {'"django_ftpd",': ""})
        names = "[name for name in vars(signals) if name.startswith('ftp_')]"
        self.edit("myapp/recorder.py", {"from django_ftpd ": "from django_ftpserver ", "signals.__all__": names})
        for directory in ["etc/systemd/system", "home/django-ftpd/conf"]:
            (self.root / directory).mkdir(parents=True)
        (self.directory / "venv").symlink_to(sys.prefix)
        script = self.root / "bin/systemctl"
        script.write_text(textwrap.dedent(SYSTEMCTL % {"root": self.root}).lstrip())
        script.chmod(0o755)
        ignore = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
        for name in ["django", "systemd"]:
            shutil.copytree(APP.parent / name, self.root / "home/django-ftpd/conf" / name, ignore=ignore)
        (self.root / "etc/systemd/system/ftpserver.service").write_text(self.here(OLD_UNIT))

    def edit(self, name, changes):
        path = self.directory / name
        text = path.read_text()
        for old, new in changes.items():
            expect(old in text, f"{name} has no {old}")
            text = text.replace(old, new)
        path.write_text(text)

    def systemctl(self, *words):
        subprocess.run([self.root / "bin/systemctl", *words], check=True, timeout=TOO_LONG)

    def login(self, server):
        """As soon as somebody listens, who has to be this server; in the room's own directory."""
        soon(lambda: is_open(self.port), lambda: f"nobody listens: {self.outputs()}")
        ftp = ftplib.FTP(timeout=TOO_LONG)
        welcome = ftp.connect("127.0.0.1", self.port)
        expect(server in welcome, f"not {server}: {welcome}")
        ftp.login("ann", "ann-secret")
        ftp.cwd(self.project.room.path)
        return ftp

    def signals(self):
        return [line["signal"] for line in self.project.recorded()]

    def rows(self):
        """All that is in the database, but for last_login."""
        connection = sqlite3.connect(f"file:{self.directory}/db.sqlite3?mode=ro", uri=True)
        columns = "id, user_id, group_id, home_dir"
        rows = connection.execute(f"SELECT {columns} FROM django_ftpserver_ftpuseraccount ORDER BY id").fetchall()
        rows += [line for line in connection.iterdump() if not any(table in line for table in CHANGING)]
        connection.close()
        return rows

    def outputs(self):
        return {path.name: path.read_text(errors="replace")[-600:] for path in self.root.glob("*.output")}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for path in self.root.glob("*.pid"):
            os.kill(int(path.read_text()), signal.SIGKILL)


def commands_of_the_page():
    """What stands in each section's block of commands."""
    sections = re.split(r"^## (.*)\n", PAGE.read_text(), flags=re.MULTILINE)
    found = {}
    for title, text in zip(sections[1::2], sections[2::2]):
        if blocks := re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            found[title] = "".join(blocks)
    expect(list(found) == TITLES, f"the page has commands in {list(found)}")
    return found


def is_open(port):
    """Somebody has the port; nobody is asked, for that would be a client."""
    try:
        listener("127.0.0.1", port).close()
    except OSError:
        return True
    return False


@check
def moving_there_and_back_goes_as_the_page_says(room):
    with Host(room) as host:
        host.project.migrate()
        host.systemctl("enable", "--now", "ftpserver")
        with host.login("pyftpdlib") as ftp:
            ftp.storbinary("STOR old", io.BytesIO(b"old"))
        before = host.rows()

        said = host.runs(TITLES[0])
        expect("nothing is lost\n" in said, said)
        said = host.runs(TITLES[1])
        expect(room.path.strip("/") in said, said)
        host.login("pyftpdlib").quit()
        host.runs(TITLES[2])
        host.runs(TITLES[3])
        soon(lambda: "follows" in host.outputs().get("ftpd-signals.output", ""), host.outputs)
        count = len(host.signals())
        with host.login("django-ftpd") as ftp:
            expect(ftp.nlst() == ["old"], f"other files: {ftp.nlst()}")
            ftp.storbinary("STOR new", io.BytesIO(b"new"))
        soon(lambda: host.signals()[-1] == "ftp_client_disconnected", host.outputs)
        told = host.signals()[count:]
        for name in ["ftp_login", "ftp_file_received", "ftp_logout"]:
            expect(told.count(name) == 1, f"{name} of {told}")

        host.runs(TITLES[4])
        with host.login("pyftpdlib") as ftp:
            expect(sorted(ftp.nlst()) == ["new", "old"], f"other files: {ftp.nlst()}")
        host.systemctl("disable", "--now", "ftpserver")
        expect(host.rows() == before, "the database has changed")


@check
def moving_from_djftpd_keeps_names_passwords_and_rights(room):
    """The database is a real one of its time; djftpd itself runs on no Python of today."""
    place = Place(room)
    media = place.directory / "media"
    media.mkdir(parents=True)
    (media / "old").write_bytes(b"old")
    connection = sqlite3.connect(place.directory / "db.sqlite3")
    connection.executescript(DJFTPD.read_text())
    before = list(connection.iterdump())

    said = place.runs(TITLES[5])
    expect("4 users, of whom 3 may log in" in said and "FAULT" not in said, said)
    file = place.directory / "django-ftpd.conf"
    sha1 = "legacy_hashes = true\n"
    with serve(room, place, "--config", file) as server:
        for name, writes in {"ann": False, "cam": False, "root": True}.items():
            with connect(server) as ftp:
                ftp.login(name, f"{name}-secret")
                expect("old" in ftp.nlst(), f"{name} sees {ftp.nlst()}")
                ftp.retrbinary("RETR old", (got := io.BytesIO()).write)
                expect(got.getvalue() == b"old", f"{name} gets {got.getvalue()}")
                expect(uploads(ftp, name) == writes, f"{name} may do something else than with djftpd")
        expect(is_refused(server, "gone"), "who is inactive logs in")
    expect(list(connection.iterdump()) == before, "the database has changed")
    connection.close()

    # What the page says of Django's groups.
    file.write_text(file.read_text() + '[group."cameras"]\npermission = "elw"\n')
    with serve(room, place, "--config", file) as server, connect(server) as ftp:
        ftp.login("cam", "cam-secret")
        expect(uploads(ftp, "cam"), "a section of its group gives no right")
    # And of passwords.
    file.write_text(file.read_text().replace(sha1, ""))
    said = room.run(room.site.binary, "check", "--config", file, ok=[1])
    for name in ["ann", "cam", "root"]:
        expect(f"{name} can't log in: the stored password uses sha1" in said, said)


def uploads(ftp, name):
    try:
        ftp.storbinary(f"STOR by-{name}", io.BytesIO(b"new"))
    except ftplib.error_perm as refusal:
        expect(str(refusal).startswith("550"), refusal)
        return False
    return True


def is_refused(server, name):
    with connect(server) as ftp:
        try:
            ftp.login(name, f"{name}-secret")
        except ftplib.error_perm as refusal:
            return str(refusal).startswith("530")
    return False


@check
def moving_to_a_bucket_takes_the_lines_that_wait_for_it(room):
    """Files have the keys that StorageFS makes of their paths."""
    _, store = stores.s3(room.site)
    project = Project(room, settings=BUCKET % store.url).migrate()
    project.asks(
        """
        from django_ftpserver.models import FTPUserAccount
        answer = FTPUserAccount.objects.filter(user__username="ann").update(home_dir="/people/{username}")
        """
    )
    made = project.manage("ftpd_config")
    expect("our-secret" not in made, f"it prints a secret: {made}")
    settings, _, section = made.partition("#[s3]\n")
    opened = settings.replace('#storage = "s3"', 'storage = "s3"') + "[s3]\n"
    opened += re.sub("^#(?=[a-z_]+ =)", "", section, flags=re.MULTILINE)
    for key, value in zip(["access_key", "secret_key"], store.keys):
        expect(f'{key} = "..."' in opened, opened)
        opened = opened.replace(f'{key} = "..."', f'{key} = "{value}"')
    file = project.directory / "django-ftpd.conf"
    file.write_text(opened)
    with serve(room, project, "--config", file) as server, connect(server) as ftp:
        ftp.login("ann", "ann-secret")
        ftp.storbinary("STOR moved.txt", io.BytesIO(b"moved"))
    keys = "print([one['Key'] for one in s3.list_objects_v2(Bucket='media', Prefix='ftp/people/')['Contents']])"
    expect("'ftp/people/ann/moved.txt'" in (found := store.run_with_boto(keys)), found)


BUCKET = """
    FTPSERVER_FILESYSTEM = "django_ftpserver.filesystems.StorageFS"
    AWS_LOCATION = "ftp"
    STORAGES = {
        "default": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {"bucket_name": "media", "endpoint_url": "%s", "secret_key": "our-secret"},
        },
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
"""
