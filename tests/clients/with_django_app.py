"""The companion Django app (conf/django) in real projects: signals as django-ftpserver sends them, from a journal that is
rotated, cut and killed over; configurations and exports that the server takes; the audit table in the admin."""

import datetime
import ftplib
import gzip
import io
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from pathlib import Path

from check import TOO_LONG, check, expect, noise
from django_project import Project, soon
from site_under_test import Server, free_ports
from with_ftplib import get, login, put, refused

# The reference sends their paths translated twice.
OPERATIONS = ["ftp_file_deleted", "ftp_file_renamed", "ftp_directory_created", "ftp_directory_deleted"]
START = datetime.datetime(2026, 1, 2, 3, 4, 5)


@check
def django_app_sends_what_django_ftpserver_sends(room):
    theirs = Project(room, name="theirs").migrate()
    with Reference(theirs) as server:
        dialogue(room, server)
    ours = Project(room, name="ours").migrate()
    with room.site.serve("signals") as server:
        dialogue(room, server)
        server.terminate()
    shutil.copy(server.journal, ours.journal)
    ours.signals("--from-start")

    wanted, found = plain(theirs.recorded()), plain(ours.recorded())
    kinds = {line["signal"] for line in wanted}
    expect(len(kinds) == 15, f"the reference sends only {kinds}")
    for line in wanted:
        same_kind = [other for other in found if other["signal"] == line["signal"]]
        expect(line in same_kind, f"it sends {same_kind}, not {line}")
    expect({str(line) for line in found} == {str(line) for line in wanted}, "it sends more")


def dialogue(room, server):
    """Something of every kind."""
    ftp = ftplib.FTP(timeout=TOO_LONG)
    ftp.connect(server.host, server.port)
    refused(530, ftp.login, "ann", "wrong")
    ftp.close()
    room.remote("big.bin", 20_000_000)
    ftp = login(room, server)
    put(ftp, "file.bin", noise(1_000))
    get(ftp, "file.bin")
    for command in ["STOR cut.bin", "RETR big.bin"]:
        data = ftp.transfercmd(command)
        data.sendall(b"some") if command.startswith("STOR") else data.recv(10)
        time.sleep(0.2)  # for the reference, which forgets a transfer of which it has seen nothing
        ftp.putcmd("ABOR")
        refused(426, ftp.getresp)
        ftp.voidresp()
        data.close()
    ftp.rename("file.bin", "new.bin")
    ftp.delete("new.bin")
    ftp.mkd("directory")
    ftp.rmd("directory")
    ftp.quit()


def plain(lines):
    """The signals without what has to differ: ports, and `event`, which the reference does not send."""
    for line in lines:
        arguments, types = line["arguments"], line["types"]
        for name in ["port", "remote_port", "event"]:
            arguments.pop(name, None)
        types.pop("event", None)
        for stand_in in ["handler", "server"]:
            if arguments.pop(stand_in, None) is not None:
                types[stand_in] = "an object"
        if line["signal"] in OPERATIONS:
            arguments |= {name: Path(value).name for name, value in arguments.items() if name.startswith("path")}
        if line["signal"] == "ftp_client_disconnected":
            # After a failed login the reference forgets the name that was given.
            arguments["username"] = arguments["username"] or "ann"
        line["arguments"], line["types"] = (dict(sorted(part.items())) for part in (arguments, types))
    return lines


class Reference:
    """`manage.py ftpserver` of a project."""

    def __init__(self, project):
        self.project = project
        self.host, self.port = "127.0.0.1", free_ports("127.0.0.1")[0]
        self.running = project.start("ftpserver", f"{self.host}:{self.port}")

    def __enter__(self):
        soon(self._accepts, self.running.said)
        return self

    def __exit__(self, *exception):
        # It answers QUIT before it sends its signals.
        if exception[0] is None:
            soon(lambda: self.project.recorded()[-1]["signal"] == "ftp_client_disconnected", self.running.said)
        self.running.stop(signal.SIGINT)

    def _accepts(self):
        try:
            socket.create_connection((self.host, self.port)).close()
        except OSError:
            return False
        return True


@check
def django_app_feeds_the_documented_receivers(room):
    documented_receivers(room, Project(room).migrate())


@check
def django_app_works_on_django_4_2_without_django_ftpserver(room):
    project = Project(room, is_bare=True).migrate()
    expect(project.asks("answer = django.VERSION[:2]") == [4, 2], "another Django")
    documented_receivers(room, project)
    senders = {line["sender"] for line in project.recorded()}
    expect(senders == {"django_ftpd.bridge.Handler"}, senders)


def documented_receivers(room, project):
    with room.site.serve(f"documented-{project.is_bare}") as server:
        with project.start("ftpd_signals", "--journal", server.journal) as follower:
            soon(lambda: follower.says("follows"), follower.said)
            with login(room, server, encoding="latin-1") as ftp:
                put(ftp, "new.txt", b"new")
                ftp.delete("new.txt")
                ftp.mkd("caf\xe9 \xff")
                put(ftp, "l\xe4tin", b"")
            ask = """
                from myapp.models import FTPAuditLog
                fields = ["event_type", "username", "remote_ip", "path"]
                answer = list(FTPAuditLog.objects.order_by("id").values_list(*fields))
            """
            soon(lambda: "ftp_logout" in [line["signal"] for line in project.recorded()], follower.said)
            expect(follower.stop() == 0, f"ftpd_signals ended with {follower.process.returncode}")
    wanted = [
        ["login", "ann", "127.0.0.1", ""],
        ["upload", "ann", "127.0.0.1", str(room.there / "new.txt")],
        ["delete", "ann", "127.0.0.1", str(room.there / "new.txt")],
        # No database takes what is not UTF-8.
        ["upload", "ann", "127.0.0.1", f"{room.there}/l\ufffdtin"],
    ]
    expect(project.asks(ask) == wanted, project.asks(ask))
    made = next(line for line in project.recorded() if line["signal"] == "ftp_directory_created")
    path = os.fsencode(made["arguments"]["path"])
    expect(path == os.fsencode(room.there) + b"/caf\xe9 \xff" and os.path.isdir(path), f"the path is {path!r}")


@check
def django_app_follows_a_journal_through_rotations(room):
    project = Project(room).migrate()
    journal = project.journal
    rotated = [journal.with_name(f"events.jsonl.{number}") for number in range(1, 4)]
    with project.start("ftpd_signals", "--journal", journal) as follower:
        soon(lambda: follower.says("follows"), follower.said)
        expect(not journal.exists(), "it made the journal")
        append(journal, 1, 5)
        soon(lambda: project.numbers() == list(range(1, 6)), follower.said)
        append(journal, 6, 8)
        journal.rename(rotated[0])
        append(rotated[0], 9, 10)
        append(journal, 11, 15)
        soon(lambda: project.numbers() == list(range(1, 16)), follower.said)
        # Twice at once, compressed, and under the name that logrotate gives with dateext.
        rotated[0].rename(rotated[2])
        append(journal, 16, 17)
        journal.rename(rotated[1])
        append(rotated[0], 18, 20)
        append(journal, 21, 22)
        soon(lambda: project.numbers() == list(range(1, 23)), lambda: f"{project.numbers()} {follower.said()}")
        journal.unlink()
        append(journal, 23, 24)
        soon(lambda: project.numbers() == list(range(1, 25)), follower.said)
        expect(follower.stop() == 0, f"it ended with {follower.process.returncode}")
    expect(project.position() == 24, f"the position is {project.position()}")
    expect("missing" not in follower.said(), follower.said())

    # While nobody follows.
    append(journal, 25, 25)
    journal.rename(rotated[0])
    expect("1 signals sent" in project.signals(), "it needs a file of the very name")
    append(journal, 26, 26)
    (journal.parent / "events.jsonl-20260101.gz").write_bytes(gzip.compress(journal.read_bytes()))
    journal.unlink()
    append(journal.parent / "events.jsonl-20260102", 27, 27)
    append(journal, 28, 29)
    for path in rotated:
        path.unlink(missing_ok=True)
    said = project.signals()
    expect(project.numbers() == list(range(1, 30)) and "missing" not in said, f"{project.numbers()} {said}")
    expect("0 signals sent" in project.signals(), "it sends again")


@check
def django_app_tells_of_gaps_and_corrupt_lines_and_waits_for_torn_ones(room):
    project = Project(room).migrate()
    append(project.journal, 1, 2)
    with project.journal.open("ab") as file:
        file.write(b"\0" * 500 + b"\n[3]\n" + b'{"seq":true}\n' + b"x" * 3_000_000 + b"\n")
    append(project.journal, 7, 7)
    torn = event_line(8)
    with project.journal.open("ab") as file:
        file.write(torn[:30])
    said = project.signals("--from-start")
    expect(project.numbers() == [1, 2, 7], project.numbers())
    expect(said.count("a corrupt line") >= 4 and "events 3 to 6 are missing" in said, said[-800:])
    with project.start("ftpd_signals", "--journal", project.journal) as follower:
        soon(lambda: follower.says("from event 8"), follower.said)
        with project.journal.open("ab") as file:
            file.write(torn[30:] + torn[:40])
        soon(lambda: project.numbers() == [1, 2, 7, 8], follower.said)
        os.truncate(project.journal, project.journal.stat().st_size - 40)
        append(project.journal, 9, 9)
        soon(lambda: project.numbers() == [1, 2, 7, 8, 9], follower.said)
        append(project.journal, 12, 12)
        soon(lambda: follower.says("events 10 to 11 are missing"), follower.said)
        expect(follower.stop(signal.SIGINT) == 0, f"SIGINT: {follower.process.returncode}")
        expect("a corrupt line" not in follower.said(), follower.said())

    # The server lost its journal while nobody followed, and counts from 1 again.
    project.journal.unlink()
    append(project.journal, 1, 3, later=1000)
    said = project.signals()
    expect("begin anew with 1" in said and project.numbers()[-4:] == [12, 1, 2, 3], f"{project.numbers()} {said}")


@check
def django_app_loses_nothing_when_it_is_killed(room):
    project = Project(room).migrate()
    project.signals("--from-start", status=1)
    last = 0
    for _ in range(8):
        with project.start("ftpd_signals", "--journal", project.journal, "--from-start") as follower:
            soon(lambda: follower.said().count("follows") > 0, follower.said)
            until = time.monotonic() + random.uniform(0.3, 1.5)
            while time.monotonic() < until:
                append(project.journal, last + 1, last + 50, kind="ftp_logout")
                last += 50
                if random.random() < 0.1:
                    rotate(project.journal)
                time.sleep(0.02)
            follower.output.unlink()
            follower.kill()
    project.signals("--from-start")
    numbers = project.numbers()
    first = list(dict.fromkeys(numbers))
    expect(first == list(range(1, last + 1)), f"{last - len(first)} of {last} are lost, or they are in disorder")
    # Eight times killed, each time 500 behind the saved position at most.
    expect(len(numbers) - last <= 8 * 500, f"{len(numbers) - last} came twice")


def rotate(journal):
    for number in range(50, 0, -1):
        path = journal.with_name(f"{journal.name}.{number}")
        if path.exists():
            path.rename(journal.with_name(f"{journal.name}.{number + 1}"))
    journal.rename(journal.with_name(f"{journal.name}.1"))


@check
def django_app_calls_a_receiver_that_raises_again(room):
    project = Project(room).migrate()
    append(project.journal, 1, 3)
    project.write("trouble", "2")
    said = project.signals("--from-start", "--retry", "2")
    expect(project.numbers() == [1, 1, 1, 2, 3], project.numbers())
    expect(said.count("the recorder is in trouble; it is called again") == 2, said)
    rows = "from myapp.models import FTPAuditLog\nanswer = FTPAuditLog.objects.count()"
    expect(project.asks(rows) == 3, "those that did not raise are called again, too")

    append(project.journal, 4, 5)
    project.write("trouble", "1")
    said = project.signals("--retry", "0")
    expect(project.numbers()[-2:] == [4, 5], project.numbers())
    expect('is set aside for {"seq": 4' in said and "1 calls of receivers set aside" in said, said)

    append(project.journal, 6, 7)
    project.write("trouble", "1")
    said = project.signals("--retry", "0", "--on-error", "stop", status=1)
    expect("stopped before event 6" in said and project.position() == 5, said)
    expect("2 signals sent" in project.signals() and project.numbers()[-3:] == [6, 6, 7], project.numbers())

    # SIGTERM ends the pause before another attempt, and what was not done is done the next time.
    append(project.journal, 8, 8)
    project.write("trouble", "1000")
    with project.start("ftpd_signals", "--journal", project.journal, "--retry", "1000") as follower:
        soon(lambda: follower.says("is called again in 2 s"), follower.said)
        expect(follower.stop() == 0 and project.position() == 7, f"position {project.position()}: {follower.said()}")
    (project.directory / "trouble").unlink()
    project.signals()
    expect(project.numbers()[-1] == 8 and project.position() == 8, project.numbers())


@check
def django_app_begins_at_the_end_unless_told_otherwise(room):
    project = Project(room).migrate()
    append(project.journal, 1, 3)
    expect("behind event 3" in project.signals() and not project.recorded(), "it begins elsewhere")
    append(project.journal, 4, 4)
    project.signals("--from-start")
    expect(project.numbers() == [4], project.numbers())
    said = project.manage("ftpd_signals", "--journal", "absent/events", "--once", status=1)
    expect("there is no journal absent/events" in said, said)
    said = project.manage("ftpd_signals", "--journal", project.journal, "--position", "absent/position", status=1)
    expect("absent/position" in said and "No such file" in said and "Traceback" not in said, said)
    expect("--position FILE names another place" in said, said)
    with project.start("ftpd_signals", "--journal", project.directory / "later.jsonl") as follower:
        soon(lambda: follower.says("once the server has made it; no such file now"), follower.said)
    project.write("events.jsonl.signals-position", "{")
    expect("holds no position; remove it" in project.signals(status=1), "a broken position")
    expect("--journal" in project.manage("ftpd_signals", status=2), "no journal")


@check
def django_app_sends_any_name_as_it_is(room):
    project = Project(room).migrate()
    names = ["two\nlines", "q'u\"o\\te", "\u2028 ü ☃ 𝄞", "caf\udce9\udcff", "%s {x}", "<b>", "\x7f\x85"]
    with project.journal.open("wb") as file:
        for number, name in enumerate(names, 1):
            file.write(event_line(number, "ftp_file_received", username=name, path=f"/srv/{name}"))
    # The username goes into a column that takes no surrogates, either.
    said = project.signals("--from-start")
    expect("raised" not in said, said)
    arguments = [line["arguments"] for line in project.recorded()]
    expect([one["path"] for one in arguments] == [f"/srv/{name}" for name in names], arguments)
    rows = "from myapp.models import FTPAuditLog\nanswer = list(FTPAuditLog.objects.values_list('path', flat=True))"
    expect(project.asks(rows) == [f"/srv/{name}".replace("\udce9\udcff", "\ufffd\ufffd") for name in names], "rows")


@check
def django_app_makes_a_configuration_that_the_server_takes(room):
    project = Project(
        room,
        settings="""
            FTPSERVER_HOST = "::1"
            FTPSERVER_PORT = 2121
            FTPSERVER_TIMEOUT = 120
            FTPSERVER_PASSIVE_PORTS = "12345, 30000-30100"
            FTPSERVER_MASQUERADE_ADDRESS = "ftp.example.com"
            FTPSERVER_HANDLER = "myapp.handlers.Ours"
            FTPSERVER_AUTHORIZER = "myapp.authorizers.Ours"
            FTPSERVER_FILESYSTEM = "django_ftpserver.filesystems.StorageFS"
            FTPD_JOURNAL = BASE_DIR / "events.jsonl"
            STORAGES = {
                "default": {
                    "BACKEND": "storages.backends.s3.S3Storage",
                    "OPTIONS": {"bucket_name": "our-bucket", "secret_key": "a secret"},
                },
                "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
            }
        """,
    )
    project.write("myapp/handlers.py", HANDLER)
    made = project.manage("ftpd_config")
    for line in [
        'address = "[::1]:2121"',
        f'database = "{project.directory}/db.sqlite3"',
        "timeout = 120",
        'banner = "Our \\"files\\" ü"',
        "max_login_attempts = 5",
        "permit_foreign_addresses = true",
        "data_timeout = 77",
        "session_upload_rate = 5000",
        'passive_ports = "12345,30000-30100"',
        'masquerade_address = "ftp.example.com"',
        "local_times = true",
        "sendfile = false",
        f'journal = "{project.journal}"',
    ]:
        expect(line in made.splitlines(), f"there is no {line} in {made}")
    wanted = ["AUTHORIZER", "FILESYSTEM", "our-bucket", "on_login"]
    for word in wanted:
        expect(any(word in line for line in made.splitlines() if line.startswith("# no equivalent")), f"{word}: {made}")
    expect("a secret" not in made, "it prints a secret")
    checks(room, project, made)

    first = ['address = "127.0.0.1:21"']
    certificate = [f'certfile = "{room.site.certificate.file}"', f'keyfile = "{room.site.certificate.key}"']
    for name, settings, more in [
        ("plain", "", []),
        ("certified", "\n".join(f"FTPSERVER_{line}".replace("certfile", "CERTFILE") for line in certificate), certificate),
        ("legacy", 'PASSWORD_HASHERS = ["django.contrib.auth.hashers.SHA1PasswordHasher"]', ["legacy_hashes = true"]),
        ("daemon", DAEMON, DAEMON_OPTIONS),
    ]:
        project = Project(room, name=name, settings=settings.replace("_keyfile", "_KEYFILE"))
        made = project.manage("ftpd_config")
        options = [line for line in made.splitlines() if line and not line.startswith("#")]
        expect(options == [*first, f'database = "{project.directory}/db.sqlite3"', *more], made)
        if name != "daemon":  # the files of this test are nobody else's
            checks(room, project, made)


DAEMON = """
FTPSERVER_DAEMONIZE = True
FTPSERVER_DAEMONIZE_OPTIONS = {"out_log": "/var/log/ftp/out.log", "err_log": "/var/log/ftp/error.log"}
FTPSERVER_PIDFILE = "/run/ftp.pid"
FTPSERVER_FILE_ACCESS_USER = "www-data"
"""
DAEMON_OPTIONS = ['file_access_user = "www-data"', 'pidfile = "/run/ftp.pid"', "daemonize = true"]
DAEMON_OPTIONS += ['log_file = "/var/log/ftp/error.log"']

HANDLER = """
from django_ftpserver.handlers import DjangoFTPHandler
from pyftpdlib.handlers import DTPHandler


class Data(DTPHandler):
    timeout = 77
    read_limit = 5000


class Ours(DjangoFTPHandler):
    banner = 'Our "files"\\r\\nü'
    max_login_attempts = 5
    permit_foreign_addresses = True
    use_gmt_times = False
    use_sendfile = False
    dtp_handler = Data

    def on_login(self, username):
        pass
"""


@check
def django_app_configures_a_user_model_of_the_sites_own(room):
    for is_bare in [False, True]:
        project = Project(
            room,
            is_bare=is_bare,
            name=f"project-{is_bare}",
            settings="""
                AUTH_USER_MODEL = "myapp.Member"
                DATABASES["default"]["NAME"] = BASE_DIR / "own.sqlite3"
            """,
        )
        with (project.directory / "myapp" / "models.py").open("a") as file:
            file.write(MEMBER)
        project.migrate()
        project.asks(make_member(project, room))
        made = project.manage("ftpd_config")
        for line in ['user_table = "members"', 'username_field = "mail"']:
            expect(line in made.splitlines(), f"there is no {line} in {made}")
        made = made.replace('"/srv/ftp/{username}"', f'"{room.here}/homes/{{username}}"')
        checks(room, project, made)
        serves(room, project, made)

        # As a site does whose database the server can't read.
        export = project.directory / "users.jsonl.gz"
        project.write("settings.py", (project.directory / "settings.py").read_text() + ELSEWHERE % str(export))
        made = project.manage("ftpd_config")
        for line in [f'export = "{export}"', 'user_table = "myapp_member"', 'username_field = "email"']:
            expect(line in made.splitlines(), f"there is no {line} in {made}")
        crontab = next(line for line in made.splitlines() if line.startswith("# * * * * *"))
        environment = {name: value for name, value in os.environ.items() if name in ["PATH", "PYTHONDONTWRITEBYTECODE"]}
        command = crontab.removeprefix("# * * * * * ").replace("\\%", "%")
        subprocess.run(["sh", "-c", command], check=True, cwd="/", env=environment)
        expect(gzip.decompress(export.read_bytes()).count(b'"myapp.member"') == 1, "the export")
        made = made.replace('"/srv/ftp/{username}"', f'"{room.here}/homes/{{username}}"')
        checks(room, project, made)
        serves(room, project, made)


MEMBER = '''

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin


class Member(AbstractBaseUser, PermissionsMixin):
    email = models.CharField(max_length=100, unique=True, db_column="mail")
    is_active = models.BooleanField(default=True)
    objects = BaseUserManager()
    USERNAME_FIELD = "email"

    class Meta:
        db_table = "members"
'''

# It is still SQLite, in a way that the server can't open.
ELSEWHERE = """
FTPD_EXPORT = %r
DATABASES["default"]["NAME"] = f"file:{BASE_DIR}/own.sqlite3"
DATABASES["default"]["OPTIONS"] = {"uri": True}
"""


def make_member(project, room):
    home = room.here / "homes" / "ann@example.org"
    home.mkdir(parents=True, exist_ok=True)
    account = "" if project.is_bare else f"""
from django_ftpserver.models import FTPUserAccount, FTPUserGroup
group = FTPUserGroup.objects.create(name="staff", home_dir={str(home)!r})
FTPUserAccount.objects.create(user=user, group=group)
"""
    return f"""
from myapp.models import Member
user = Member(email="ann@example.org")
user.set_password("ann-secret")
user.save()
{account}
answer = None
"""


def checks(room, project, configuration):
    file = project.directory / "django-ftpd.conf"
    file.write_text(configuration)
    done = subprocess.run([room.site.binary, "check", "--config", file], capture_output=True, text=True)
    expect(done.returncode == 0, f"check: {done.stdout} {done.stderr} of {configuration}")


def serves(room, project, configuration):
    """The server lets Ann in with it."""
    file = project.directory / "django-ftpd.conf"
    file.write_text(configuration)
    with serve(room, project, "--config", file) as server:
        ftp = connect(server)
        ftp.login("ann@example.org", "ann-secret")
        ftp.quit()


def serve(room, project, *options):
    server = Server(room.site.binary, project.directory, f"server-{time.monotonic_ns()}", "127.0.0.1", None, options)
    room.site.servers.append(server)
    return server


def connect(server):
    ftp = ftplib.FTP(timeout=TOO_LONG)
    ftp.connect(server.host, server.port)
    return ftp


@check
def django_app_exports_what_dumpdata_does(room):
    project = Project(room).migrate()
    project.asks(
        """
        from django.contrib.auth.models import Group, Permission, User
        groups = [Group.objects.create(name=name) for name in ["one", "two"]]
        groups[0].permissions.set(Permission.objects.all()[:2])
        users = User.objects.bulk_create([User(username=f"u{n}", password="x") for n in range(4500)])
        User.groups.through.objects.bulk_create(
            [User.groups.through(user_id=user.pk, group_id=group.pk) for user in users for group in groups]
        )
        users[7].user_permissions.set(Permission.objects.all()[3:6])
        answer = None
        """
    )
    export = project.directory / "users.jsonl"
    expect("45" in project.manage("ftpd_export", export), "it says nothing")
    words = ["auth.group", "auth.user", "django_ftpserver", "--format", "jsonl"]
    project.manage("dumpdata", *words, "--output", "dumped.jsonl")
    parts = [sorted(path.read_text().splitlines()) for path in (export, project.directory / "dumped.jsonl")]
    expect(parts[0] == parts[1], "dumpdata writes something else")
    expect(stat.S_IMODE(export.stat().st_mode) == 0o600, "others may read it")
    export.chmod(0o640)
    project.manage("ftpd_export", export)
    expect(stat.S_IMODE(export.stat().st_mode) == 0o640, "its rights are lost")
    leftovers = [path.name for path in project.directory.iterdir() if path.name.startswith(".users")]
    expect(leftovers == [".users.jsonl.lock"], leftovers)
    said = project.manage("ftpd_export", "absent/users.jsonl", status=1)
    expect("absent" in said and "No such file" in said and "Traceback" not in said, said)


@check
def django_app_exports_each_change(room):
    changes_reach_the_server(room, Project(room, settings='FTPD_EXPORT = BASE_DIR / "users.jsonl"'), watch=False)


@check
def django_app_watches_for_changes(room):
    project = Project(room)
    with project.start("ftpd_export", "users.jsonl", "--watch", "--interval", "0.2") as watcher:
        soon(lambda: watcher.says(" users, "), watcher.said)
        changes_reach_the_server(room, project, watch=True)
        written = watcher.said().count(" users, ")
        project.asks("from django.contrib.auth.models import User\nanswer = User.objects.update(last_login=None)")
        time.sleep(1)
        expect(watcher.said().count(" users, ") == written, "it writes without a change")
        expect(watcher.stop() == 0, watcher.said())


def changes_reach_the_server(room, project, watch):
    export = project.directory / "users.jsonl"
    if not watch:
        project.manage("ftpd_export")
    with serve(room, project, "--export", export) as server:
        connect(server).login("ann", "ann-secret")
        before = export.stat().st_ino
        project.asks(
            """
            from django.contrib.auth.models import User, update_last_login
            ann = User.objects.get(username="ann")
            update_last_login(None, ann)
            answer = None
            """
        )
        expect(export.stat().st_ino == before, "a login is a change")
        project.asks(
            """
            from django.contrib.auth.models import User
            ann = User.objects.get(username="ann")
            ann.set_password("another")
            ann.save()
            answer = None
            """
        )
        soon(lambda: logs_in(server, "ann", "another"), "the new password does not come")
        expect(not logs_in(server, "ann", "ann-secret"), "the old password is still good")
        project.asks(
            """
            from django_ftpserver.models import FTPUserAccount
            answer = FTPUserAccount.objects.get(user__username="ann").delete()[0]
            """
        )
        soon(lambda: not logs_in(server, "ann", "another"), "she can still log in")


def logs_in(server, name, password):
    ftp = connect(server)
    try:
        ftp.login(name, password)
    except ftplib.error_perm:
        return False
    finally:
        ftp.close()
    return True


@check
def django_app_shows_the_audit_table_in_the_admin(room):
    project = Project(
        room,
        settings="""
            DATABASES["audit"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "audit.sqlite3"}
            FTPD_AUDIT_DATABASE = "audit"
            TIME_ZONE = "UTC"
        """,
    ).migrate()
    make_audit_table(room, project)
    expect("No changes detected" in project.manage("makemigrations", "--check", "--dry-run"), "it wants a migration")
    project.manage("check")
    pages = project.asks(
        """
        from django.contrib.auth.models import User
        from django.test import Client
        User.objects.create_superuser("root", password="secret")
        client = Client()
        client.force_login(User.objects.get(username="root"))
        answer = []
        for page in ["", "?username=ann", "?event_type__exact=ftp_login", "?time__gte=2026-01-02", "?q=photo", "2/change/", "add/"]:
            response = client.get("/admin/django_ftpd/event/" + page)
            answer.append([response.status_code, response.content.decode()])
        from django_ftpd.models import Event
        answer.append([str(Event.objects.get(pk=2).time), Event.objects.count()])
        """
    )
    expect([page[0] for page in pages[:-1]] == [200] * 6 + [403], [page[0] for page in pages])
    expect("3 FTP events" in pages[0][1], "the list")
    for page, rows in zip(pages[1:5], [2, 2, 3, 1]):
        expect(f"{rows} FTP event" in page[1], f"not {rows}")
    expect("/srv/photo&lt;b&gt;" in pages[5][1] and 'name="_save"' not in pages[5][1], "the page of one event")
    expect(pages[-1] == ["2026-01-02 03:04:07.000001+00:00", 3], pages[-1])


def make_audit_table(room, project):
    """The table as the server makes it, and some rows of a known day."""
    database = project.directory / "audit.sqlite3"
    with room.site.serve("audit", options=["--audit-database", database]) as server:
        with connect(server) as ftp:
            ftp.encoding = "latin-1"
            ftp.login("ann", "ann-secret")
            ftp.storbinary("STOR audit\u00e9", io.BytesIO(b"name"))
        server.terminate()
    found = project.asks(
        """
        from django_ftpd.models import Event
        event = Event.objects.get(event_type="ftp_file_received")
        answer = [event.username, event.bytes, event.virtual_path, str(event.time)[:2], Event.objects.count()]
        """
    )
    expect(found[:4] == ["ann", 4, "/audit\ufffd", "20"] and found[4] >= 5, found)
    connection = sqlite3.connect(database)
    connection.execute("DELETE FROM django_ftpd_event")
    for row in [
        (1, "ftp_login", "ann", None),
        (2, "ftp_file_received", "ann", "/srv/photo<b>"),
        (3, "ftp_login", "bob", None),
    ]:
        connection.execute(
            "INSERT INTO django_ftpd_event VALUES (?1, '2026-01-02 03:04:07.000001', ?2, ?3, '192.0.2.7', ?4, ?4, NULL, 3,"
            " 1, NULL, 7, '{\"path\":\"\\udce9\"}')",
            row,
        )
    connection.commit()
    connection.close()


def append(journal, first, last, **fields):
    with open(journal, "ab") as file:
        file.write(b"".join(event_line(number, **fields) for number in range(first, last + 1)))


def event_line(seq, kind="ftp_login", later=0, **fields):
    """As the server writes it; `later` seconds."""
    moment = START + datetime.timedelta(seconds=later, milliseconds=seq)
    event = {"seq": seq, "time": f"{moment.isoformat(timespec='microseconds')}Z", "event": kind, "session": 7}
    event |= {"username": "ann", "remote_ip": "192.0.2.7", "remote_port": 5555, **fields}
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
