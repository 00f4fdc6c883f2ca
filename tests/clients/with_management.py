"""A file that only our own commands have made, adopted by a Django project; then both manage it."""

import ftplib
import json
import os
import subprocess
import sys
import textwrap

from check import TOO_LONG, check, eventually, expect
from with_ftplib import refused
from site_under_test import Server

SETTINGS = """
    SECRET_KEY = "only for tests"
    USE_TZ = True
    ROOT_URLCONF = "urls"
    DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": %(database)r}}
    INSTALLED_APPS = [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_ftpserver",
    ]
    MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ]
"""

URLS = """
    from django.contrib import admin
    from django.urls import path

    urlpatterns = [path("admin/", admin.site.urls)]
"""

MANAGE = """
    import os
    import sys

    from django.core.management import execute_from_command_line

    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    execute_from_command_line(sys.argv)
"""


class Project:
    """A database that our commands make, and the Django project that adopts it, in a process of its own."""

    def __init__(self, room):
        self.room = room
        self.database = room.here / "made.sqlite3"
        for name, text in [("settings", SETTINGS % {"database": str(self.database)}), ("urls", URLS), ("manage", MANAGE)]:
            (room.here / f"{name}.py").write_text(textwrap.dedent(text))

    def ours(self, *words, stdin="", status=0):
        """One of our commands; its output."""
        return self._run(self.room.site.binary, *words, "--database", self.database, stdin=stdin, status=status)

    def manage(self, *words, stdin="", status=0):
        return self._run(sys.executable, "-B", "manage.py", *words, stdin=stdin, status=status)

    def asks(self, expression):
        """What an expression is in `manage.py shell`."""
        before = (
            "import json; from django.contrib.auth import authenticate; from django.contrib.auth.models import User; "
            "from django_ftpserver.models import FTPUserAccount, FTPUserGroup; "
        )
        said = self.manage("shell", "--no-imports", "-c", f"{before}print(json.dumps({expression}))")
        return json.loads(said.splitlines()[-1])

    def _run(self, *command, stdin, status):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.room.here,
            env=environment,
            input=stdin,
            text=True,
            capture_output=True,
            timeout=TOO_LONG,
        )
        expect(done.returncode == status, f"{command} ended with {done.returncode}: {done.stderr[-500:]}")
        return done.stdout + (done.stderr if status else "")

    def serve(self):
        server = Server(self.room.site.binary, self.room.here, "adopted", "127.0.0.1", self.database, ())
        self.room.site.servers.append(server)
        return server


def made(room):
    """A project whose file has a group, a user with an account, a superuser, and a user without a password."""
    project = Project(room)
    home = str(room.here / "homes" / "{username}")
    project.ours("user", "create", "ann", "--email", "ann@example.org", "--password-stdin", stdin="ann-sécret\n")
    project.ours("group", "create", "staff", home, "--permission", "elradfmw")
    project.ours("account", "create", "ann", "staff")
    project.ours("user", "create", "root", "--superuser", "--password-stdin", stdin="root-secret\n")
    project.ours("user", "create", "nobody", "--no-password")
    for name in ["ann", "dora"]:
        (room.here / "homes" / name).mkdir(parents=True)
    return project


@check
def management_makes_a_file_that_django_adopts(room):
    project = made(room)
    project.manage("migrate", "--fake-initial", "--verbosity", "0")
    project.manage("check")
    expect("No changes detected" in project.manage("makemigrations", "--check", "--dry-run"), "the models differ")
    plan = project.manage("showmigrations", "auth", "contenttypes", "sessions", "django_ftpserver")
    expect("[ ]" not in plan and plan.count("[X]") == 16, f"not all is migrated: {plan}")
    for name, password, expected in [
        ("ann", "ann-sécret", "ann"),
        ("ann", "wrong", None),
        ("root", "root-secret", "root"),
        ("nobody", "", None),
    ]:
        user = project.asks(f"getattr(authenticate(username={name!r}, password={password!r}), 'username', None)")
        expect(user == expected, f"{name} with {password!r} is {user}")
    # What Django finds good as it is, it does not hash again.
    expect(project.asks("User.objects.get(username='ann').password.split('$')[1]") == "1000000", "another hash")
    flags = "[[u.is_active, u.is_staff, u.is_superuser, u.has_usable_password()] for u in User.objects.order_by('id')]"
    expect(
        project.asks(flags) == [[True, False, False, True], [True, True, True, True], [True, False, False, False]],
        f"the flags are {project.asks(flags)}",
    )
    expect(project.asks("str(User.objects.get(username='ann').date_joined.tzinfo)") == "UTC", "no time of joining")
    expect(project.asks("User.objects.get(username='ann').full_clean()") is None, "Django finds a user invalid")
    account = "[(a.user.username, a.group.name, a.get_perms(), a.get_home_dir()) for a in FTPUserAccount.objects.all()]"
    expected = [["ann", "staff", "elradfmw", str(room.here / "homes" / "ann")]]
    expect(project.asks(account) == expected, f"the accounts are {project.asks(account)}")
    expect(project.asks("FTPUserGroup.objects.get().full_clean()") is None, "Django finds a group invalid")
    expect(project.asks("FTPUserAccount.objects.get().full_clean()") is None, "Django finds an account invalid")


@check
def management_goes_on_beside_django_and_both_are_served(room):
    project = made(room)
    project.manage("migrate", "--fake-initial", "--verbosity", "0")
    create = "User.objects.create_user('dora', password='dora-secret').username"
    expect(project.asks(create) == "dora", "Django makes no user")
    theirs = project.manage("createftpuseraccount", "dora", "staff")
    expect(theirs == 'FTP user account pk=2, "dora" was created.\n', theirs)
    with project.serve() as server:
        for name, password in [("ann", "ann-sécret"), ("dora", "dora-secret")]:
            login(server, name, password).quit()
        eventually(
            lambda: all(json.loads(line)["last_login"] for line in project.ours("account", "list", "--json").splitlines()),
            "last_login is not written",
        )
        project.ours("user", "password", "dora", "--password-stdin", stdin="another\n")
        refused(530, login, server, "dora", "dora-secret")
        login(server, "dora", "another").quit()
        project.manage("deleteftpuseraccount", "dora")
        refused(530, login, server, "dora", "another")
        project.ours("account", "create", "dora", "staff")
        login(server, "dora", "another").quit()


@check
def management_says_what_django_ftpserver_says(room):
    project = made(room)
    project.manage("migrate", "--fake-initial", "--verbosity", "0")
    project.ours("group", "create", "empty")

    for ours, theirs in [
        (["account", "create", "ann", "staff"], ["createftpuseraccount", "ann", "staff"]),
        (["account", "create", "x", "staff"], ["createftpuseraccount", "x", "staff"]),
        (["account", "create", "root", "x"], ["createftpuseraccount", "root", "x"]),
        (["group", "create", "staff"], ["createftpusergroup", "staff"]),
        (["account", "delete", "x"], ["deleteftpuseraccount", "x"]),
        (["account", "delete", "root"], ["deleteftpuseraccount", "root"]),
        (["group", "delete", "x"], ["deleteftpusergroup", "x"]),
        (["group", "delete", "staff"], ["deleteftpusergroup", "staff"]),
    ]:
        same_words(project.ours(*ours, status=1), project.manage(*theirs, status=1))
    for ours, theirs in [
        (["account", "delete", "ann"], ["deleteftpuseraccount", "root"]),
        (["group", "delete", "empty"], ["deleteftpusergroup", "staff"]),
    ]:
        if ours[0] == "account":
            first = project.ours("account", "create", "root", "staff")
            expect(first == 'FTP user account pk=2, "root" was created.\n', first)
        same_words(project.ours(*ours), project.manage(*theirs))
    for ours, theirs in [
        (["group", "create", "one", "/srv/one"], ["createftpusergroup", "two", "/srv/two"]),
        (["account", "create", "ann", "one"], ["createftpuseraccount", "root", "two"]),
    ]:
        same_words(project.ours(*ours), project.manage(*theirs))


@check
def management_leaves_alone_whom_the_site_needs(room):
    project = made(room)
    project.manage("migrate", "--fake-initial", "--verbosity", "0")
    log = (
        "__import__('django.contrib.admin.models', fromlist=['x']).LogEntry.objects.create("
        "user=User.objects.get(username='root'), action_flag=1, object_repr='x').pk"
    )
    expect(project.asks(log) == 1, "no entry in the log of the admin")
    said = project.ours("user", "delete", "root", status=1)
    expect("1 row(s) of the table django_admin_log refer to it" in said, said)
    project.ours("user", "change", "root", "--inactive")
    expect(project.asks("authenticate(username='root', password='root-secret')") is None, "root is still active")
    project.ours("user", "delete", "ann")
    expect(project.asks("[User.objects.count(), FTPUserAccount.objects.count()]") == [2, 0], "ann is still there")


def same_words(ours, theirs):
    """The same, but for names of programs, and numbers and names of rows."""
    plain = [said.replace("CommandError: ", "").replace("django-ftpd: ", "") for said in (ours, theirs)]
    for number in "0123456789":
        plain = [said.replace(number, "") for said in plain]
    for name in ["ann", "root", "one", "two", "empty", "staff"]:
        plain = [said.replace(name, "NAME") for said in plain]
    expect(plain[0] == plain[1], f"{ours!r} is not {theirs!r}")


def login(server, name, password):
    ftp = ftplib.FTP(timeout=30)
    ftp.connect(server.host, server.port)
    try:
        ftp.login(name, password)
    except ftplib.Error:
        ftp.close()
        raise
    return ftp
