"""Sends the signals of django-ftpserver for what the server django-ftpd writes to its journal."""

import json
import logging
import os
import select
import signal
import time
from argparse import ArgumentTypeError

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections, reset_queries

from django_ftpd.bridge import Message, is_known
from django_ftpd.journal import Journal, Position, PositionError

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
SAVE_SECONDS = 1
SAVE_EVENTS = 500
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 60


class Command(BaseCommand):
    help = "Sends the signals of django-ftpserver for each event in the journal of django-ftpd."

    def add_arguments(self, parser):
        journal = getattr(settings, "FTPD_JOURNAL", None)
        parser.add_argument(
            "--journal",
            metavar="FILE",
            default=journal,
            required=journal is None,
            help="What the server was given as --journal; default: the setting FTPD_JOURNAL",
        )
        parser.add_argument(
            "--position", metavar="FILE", help="Remembers the last event; default: beside the journal, FILE.signals-position"
        )
        parser.add_argument(
            "--from-start", action="store_true", help="The first time, send all that is there, not only what comes"
        )
        parser.add_argument("--once", action="store_true", help="End when everything that is there is sent")
        parser.add_argument(
            "--retry", metavar="N", type=natural, default=3, help="How often to call a receiver again that raised (3)"
        )
        parser.add_argument(
            "--on-error",
            choices=["skip", "stop"],
            default="skip",
            help="When it still raises: go on with the next event, or end with status 1 and try it again next time",
        )

    def handle(self, *args, **options):
        self.options = options
        self.set_aside = 0
        self.sent = 0
        path = os.fspath(options["journal"])
        self.position = Position(options["position"] or f"{path}.signals-position")
        self.journal = Journal(path, self.position)
        with Interruption() as self.stop:
            try:
                self.begin(path)
                self.follow()
            except PositionError as error:
                raise CommandError(str(error))
            finally:
                self.journal.close()
                close_old_connections()
        text = f"{self.sent} signals sent, position {self.position.seq}"
        self.stdout.write(text + (f"; {self.set_aside} calls of receivers set aside" if self.set_aside else ""))

    def begin(self, path):
        """Knows where to begin, and that this can be remembered."""
        try:
            if self.options["once"] and not self.journal.exists():
                raise CommandError(f"there is no journal {path}")
            if not self.position.load():
                begins = "with the first event"
                if not self.options["from_start"] and self.journal.skip_to_end():
                    begins = f"behind event {self.position.seq}; --from-start would send those before, too"
                self.stdout.write(f"nothing was sent from {path} yet: begins {begins}")
            is_there = self.journal.exists()
        except OSError as error:
            raise CommandError(f"{error.filename or path}: {error.strerror}")
        try:
            self.position.save()
        except OSError as error:
            why = f"{error.filename or self.position.path}: {error.strerror}"
            raise CommandError(f"the position can't be saved: {why}; --position FILE names another place for it")
        missing = "" if is_there else ", once the server has made it; no such file now"
        self.stdout.write(f"follows {path} from event {self.position.seq + 1}{missing}")
        self.stdout.flush()

    def follow(self):
        complained = None
        saved, unsaved = time.monotonic(), 0
        try:
            while not self.stop.asked:
                try:
                    event = self.journal.next_event()
                    complained = None
                except OSError as error:
                    if self.options["once"]:
                        raise CommandError(f"the journal can't be read: {error}")
                    if str(error) != complained:
                        logger.error("the journal can't be read: %s; trying on", error)
                    complained, event = str(error), None
                if event is not None:
                    if not self.deliver(event):
                        break
                    self.journal.handled(event)
                    unsaved += 1
                if event is None or unsaved >= SAVE_EVENTS or time.monotonic() - saved > SAVE_SECONDS:
                    self.rest()
                    saved, unsaved = time.monotonic(), 0
                if event is None:
                    if self.options["once"]:
                        break
                    self.stop.wait(POLL_SECONDS)
        finally:
            self.rest()

    def rest(self):
        """What Django does at the end of a request, and the position."""
        close_old_connections()
        reset_queries()
        try:
            self.position.save()
        except OSError as error:
            logger.error("the position can't be saved: %s; after a restart, events will come again", error)

    def deliver(self, event):
        """Whether it is done with; not so if we are to stop meanwhile."""
        if not is_known(event):
            logger.info("event %d is a %s, for which there is no signal", event["seq"], event["event"])
            return True
        try:
            message = Message(event)
        except KeyError as missing:
            logger.error("event %d, %s, has no %s, and is skipped", event["seq"], event["event"], missing)
            return True
        self.sent += 1
        failed = message.send()
        pause = FIRST_RETRY_SECONDS
        for _ in range(self.options["retry"]):
            if not failed:
                return True
            log_failures(event, failed, f"is called again in {pause:g} s")
            if self.stop.wait(pause):
                return False
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)
            # A broken connection would fail for ever.
            close_old_connections()
            failed = message.send_again([receiver for receiver, _ in failed])
        if failed and self.options["on_error"] == "stop":
            log_failures(event, failed, "is called again at the next start")
            raise CommandError(f"stopped before event {event['seq']}: {len(failed)} of its receivers raise")
        if failed:
            log_failures(event, failed, f"is set aside for {json.dumps(event)}")
            self.set_aside += len(failed)
        return True


class Interruption:
    """SIGTERM and SIGINT, noticed between two events and in every pause."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __enter__(self):
        self.asked = False
        self._read, self._write = os.pipe()
        self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds):
        """Whether we are asked to stop."""
        select.select([self._read], [], [], seconds)
        return self.asked

    def _ask(self, number, frame):
        self.asked = True
        os.write(self._write, b"!")


def log_failures(event, failed, consequence):
    for receiver, error in failed:
        name = f"{receiver.__module__}.{receiver.__qualname__}" if hasattr(receiver, "__qualname__") else repr(receiver)
        logger.error(
            "event %d, %s: receiver %s raised %s: %s; it %s",
            event["seq"],
            event["event"],
            name,
            type(error).__name__,
            error,
            consequence,
            exc_info=error,
        )


def natural(text):
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)
