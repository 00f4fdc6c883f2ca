"""Writes the file that `django-ftpd serve --export` reads."""

import logging
import os
import time
from argparse import ArgumentTypeError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, close_old_connections, reset_queries

from django_ftpd.export import export, fingerprint
from django_ftpd.management.commands.ftpd_signals import Interruption

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Writes users, groups and FTP accounts to a file that django-ftpd reads with --export."

    def add_arguments(self, parser):
        path = getattr(settings, "FTPD_EXPORT", None)
        parser.add_argument(
            "file",
            metavar="FILE",
            nargs="?" if path else None,
            default=path,
            help="Where to; gzipped, if it ends with .gz; default: the setting FTPD_EXPORT",
        )
        parser.add_argument("--watch", action="store_true", help="Stay, and write it again after each change")
        parser.add_argument(
            "--interval", metavar="SECONDS", type=seconds, default=5, help="How often --watch looks for changes (5)"
        )

    def handle(self, *args, **options):
        self.path = os.fspath(options["file"])
        if not options["watch"]:
            try:
                self.write()
            except OSError as error:
                raise CommandError(f"{error.filename or self.path}: {error.strerror}")
            return
        with Interruption() as stop:
            self.watch(stop, options["interval"])

    def write(self):
        began = time.monotonic()
        users = export(self.path)
        self.stdout.write(f"{self.path}: {users} users, {time.monotonic() - began:.1f} s")
        self.stdout.flush()

    def watch(self, stop, interval):
        written = None
        while not stop.asked:
            close_old_connections()
            try:
                # Made before the file: what changes meanwhile is a difference the next time.
                now = fingerprint()
                if now != written or not os.path.exists(self.path):
                    self.write()
                    written = now
            except (DatabaseError, OSError) as error:
                logger.error("%s: %s; the old export stays, next attempt in %g s", self.path, error, interval)
            close_old_connections()
            reset_queries()
            stop.wait(interval)


def seconds(text):
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0.1 <= number <= 86400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds between 0.1 and 86400")
    return number
