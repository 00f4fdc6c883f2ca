"""A Django project on the disk with the companion app, the receivers of django-ftpserver's documentation, and one that
writes down each signal."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import django_site
from check import TOO_LONG, Failure, expect

APP = Path(__file__).resolve().parent.parent.parent / "conf" / "django"
OLD_DJANGO = "Django==4.2.*"

SETTINGS = """
    from pathlib import Path

    BASE_DIR = Path(__file__).resolve().parent
    SECRET_KEY = "only for tests"
    USE_TZ = True
    ROOT_URLCONF = "urls"
    DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
    ALLOWED_HOSTS = ["*"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
    INSTALLED_APPS = [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_ftpd",
        "myapp",
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

MODELS = """
    from django.db import models

    class FTPAuditLog(models.Model):
        event_type = models.CharField(max_length=20)
        username = models.CharField(max_length=150)
        remote_ip = models.GenericIPAddressField()
        path = models.TextField(blank=True)
"""

APPS = """
    from django.apps import AppConfig

    class MyAppConfig(AppConfig):
        name = 'myapp'

        def ready(self):
            import myapp.receivers  # noqa
            import myapp.recorder  # noqa
"""

# From docs/source/signals.rst of django-ftpserver 1.0.0, word for word.
RECEIVERS = """
    from django.dispatch import receiver
    from django_ftpserver.signals import (
        ftp_login, ftp_logout,
        ftp_file_received, ftp_file_sent, ftp_file_deleted
    )
    from myapp.models import FTPAuditLog

    @receiver(ftp_login)
    def audit_login(sender, username, remote_ip, **kwargs):
        FTPAuditLog.objects.create(
            event_type='login',
            username=username,
            remote_ip=remote_ip,
        )

    @receiver(ftp_file_received)
    def audit_upload(sender, username, path, remote_ip, **kwargs):
        FTPAuditLog.objects.create(
            event_type='upload',
            username=username,
            remote_ip=remote_ip,
            path=path,
        )

    @receiver(ftp_file_deleted)
    def audit_delete(sender, username, path, remote_ip, **kwargs):
        FTPAuditLog.objects.create(
            event_type='delete',
            username=username,
            remote_ip=remote_ip,
            path=path,
        )
"""

# Writes each signal down, and raises as often as the file `trouble` says.
RECORDER = """
    import json
    from pathlib import Path

    from django_ftpd import signals

    def plain(value):
        if isinstance(value, (str, int, dict)) or value is None:
            return value
        return {name: getattr(value, name) for name in ["username", "remote_ip", "remote_port"] if hasattr(value, name)}

    def record(name, sender, arguments):
        del arguments["signal"]
        line = {"signal": name, "sender": f"{sender.__module__}.{sender.__qualname__}"}
        line["types"] = {name: type(value).__name__ for name, value in arguments.items()}
        line["arguments"] = {name: plain(value) for name, value in arguments.items()}
        with open("recorded", "a") as file:
            file.write(json.dumps(line) + "\\n")
        trouble = Path("trouble")
        left = int(trouble.read_text()) if trouble.exists() else 0
        if left:
            trouble.write_text(str(left - 1))
            raise RuntimeError("the recorder is in trouble")

    def connect(name):
        def recorder(sender, **arguments):
            record(name, sender, arguments)

        getattr(signals, name).connect(recorder, weak=False)

    for name in signals.__all__:
        connect(name)
"""


class Project:
    """Below `here`; with django-ftpserver and the site's accounts, or with an old Django and without it."""

    def __init__(self, room, is_bare=False, settings="", name="project"):
        self.room = room
        self.is_bare = is_bare
        self.directory = room.here / name
        (self.directory / "myapp").mkdir(parents=True)
        self.python = bare_python(room.site) if is_bare else app_python(room.site)
        text = textwrap.dedent(SETTINGS) + ("" if is_bare else 'INSTALLED_APPS += ["django_ftpserver"]\n')
        self.write("settings.py", text + textwrap.dedent(settings))
        receivers = RECEIVERS.replace("django_ftpserver", "django_ftpd") if is_bare else RECEIVERS
        files = {"urls": URLS, "manage": MANAGE, "myapp/__init__": "", "myapp/models": MODELS, "myapp/apps": APPS}
        files |= {"myapp/receivers": receivers, "myapp/recorder": RECORDER}
        for path, content in files.items():
            self.write(f"{path}.py", textwrap.dedent(content))
        if not is_bare:
            shutil.copy(room.site.database, self.directory / "db.sqlite3")
        self.journal = self.directory / "events.jsonl"

    def write(self, name, text):
        (self.directory / name).write_text(text)

    def migrate(self):
        self.manage("migrate", "--run-syncdb", "--verbosity", "0")
        return self

    def manage(self, *words, status=0):
        """What a command prints, and its complaints."""
        done = subprocess.run(**self._process(words), text=True, capture_output=True, timeout=TOO_LONG)
        said = done.stdout + done.stderr
        expect(done.returncode == status, f"{words} ended with {done.returncode}: {said[-600:]}")
        return said

    def asks(self, code):
        """What the variable `answer` is after some code, in the project."""
        before = "import json, os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'; django.setup()\n"
        process = self._process([])
        process["args"] = [self.python, "-B", "-c", f"{before}{textwrap.dedent(code)}\nprint(json.dumps(answer))"]
        done = subprocess.run(**process, text=True, capture_output=True, timeout=TOO_LONG)
        expect(done.returncode == 0, f"it ended with {done.returncode}: {done.stderr[-600:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, *words):
        return Running(self, words)

    def signals(self, *options, status=0):
        return self.manage("ftpd_signals", "--journal", self.journal, "--once", *options, status=status)

    def recorded(self):
        path = self.directory / "recorded"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def numbers(self):
        """Of the events whose signals came."""
        return [line["arguments"]["event"]["seq"] for line in self.recorded()]

    def position(self):
        return json.loads(Path(f"{self.journal}.signals-position").read_text())["seq"]

    def _process(self, words):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
        command = [str(word) for word in (self.python, "-B", "manage.py", *words)]
        return {"args": command, "cwd": self.directory, "env": environment}


class Running:
    """A command that stays, until it is told to go."""

    def __init__(self, project, words):
        self.output = project.directory / f"{words[0]}-output"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                **project._process(words), stdout=output, stderr=output, preexec_fn=hear_interrupts
            )

    def says(self, text):
        return text in self.said()

    def said(self):
        return self.output.read_text(errors="replace")

    def stop(self, number=signal.SIGTERM):
        """Its exit status."""
        self.process.send_signal(number)
        try:
            return self.process.wait(TOO_LONG)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"still running after {signal.Signals(number).name}: {self.said()[-300:]}") from None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.kill()


def hear_interrupts():
    """Whoever runs the checks in the background of a shell does not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def app_python(site):
    """The checks' own venv, with the companion app."""
    installed(site.directory, sys.executable, "django-ftpd-app")
    return sys.executable


def bare_python(site):
    """A venv with an old Django and the companion app, without django-ftpserver."""
    venv = site.directory / "bare-venv"
    if not venv.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        django_site.install(venv / "bin" / "python", OLD_DJANGO)
    installed(site.directory, venv / "bin" / "python", "bare-app")
    return venv / "bin" / "python"


def installed(directory, python, name):
    """From a copy, for pip builds beside the sources."""
    copy = directory / name
    if not copy.exists():
        shutil.copytree(APP, copy, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        django_site.install(python, copy)


def soon(happens, why, seconds=20):
    """For what another process does once it is up."""
    end = time.monotonic() + seconds
    while not happens():
        expect(time.monotonic() < end, why() if callable(why) else why)
        time.sleep(0.05)
