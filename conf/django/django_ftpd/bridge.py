"""From an event of the journal to a signal with the arguments that django-ftpserver sends."""

import importlib

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.utils.module_loading import import_string

from django_ftpd import signals

SERVER = ("host", "port")
SESSION = ("username", "remote_ip")
FILE = ("username", "path", "remote_ip")

ARGUMENTS = {
    "ftp_server_started": SERVER,
    "ftp_server_stopped": SERVER,
    "ftp_client_connected": ("remote_ip", "remote_port"),
    "ftp_client_disconnected": SESSION,
    "ftp_login": SESSION,
    "ftp_login_failed": SESSION,
    "ftp_logout": SESSION,
    "ftp_file_received": FILE,
    "ftp_file_sent": FILE,
    "ftp_file_received_incomplete": FILE,
    "ftp_file_sent_incomplete": FILE,
    "ftp_file_deleted": FILE,
    "ftp_file_renamed": ("username", "path_from", "path_to", "remote_ip"),
    "ftp_directory_created": FILE,
    "ftp_directory_deleted": FILE,
}


class FromJournal:
    """Stands for an object of pyftpdlib, which lives in no process now: it has what the journal knows."""

    def __getattr__(self, name):
        raise AttributeError(f"the journal does not tell {name!r}; `event` has all that it tells")


class Server(FromJournal):
    """In the place of pyftpdlib's FTPServer."""

    def __init__(self, event):
        self.address = (event["host"], event["port"])


class Handler(FromJournal):
    """In the place of pyftpdlib's FTPHandler: one session."""

    def __init__(self, event):
        self.session = event["session"]
        # What pyftpdlib has before anybody said a name.
        self.username = event.get("username", "")
        self.remote_ip = event["remote_ip"]
        self.remote_port = event["remote_port"]


class Message:
    """A signal that is to be sent, once to each receiver that does not raise."""

    def __init__(self, event):
        """KeyError: the event lacks something."""
        kind = event["event"]
        self.signal = getattr(signals, kind)
        source = event if "session" not in event else {"username": "", **event}
        self.arguments = {name: source[name] for name in ARGUMENTS[kind]}
        if ARGUMENTS[kind] is SERVER:
            self.sender = server_class()
            self.arguments["server"] = Server(event)
        else:
            self.sender = handler_class("tls" in event)
            self.arguments["handler"] = Handler(event)
        self.arguments["event"] = event

    def send(self):
        """Returns the receivers that raised, each with its exception."""
        results = self.signal.send_robust(self.sender, **self.arguments)
        failed = [(receiver, result) for receiver, result in results if isinstance(result, Exception)]
        return self.send_readable(failed)

    def send_again(self, receivers):
        """To these alone."""
        return self.send_readable(self._call(receivers, self.arguments))

    def send_readable(self, failed):
        """Names that are not UTF-8 open their file, but no database takes them: whoever could not write one gets it as
        pyftpdlib has it, with U+FFFD for what can't be read."""
        unwritable = [receiver for receiver, error in failed if isinstance(error, UnicodeEncodeError)]
        readable = {name: replaced(value) for name, value in self.arguments.items()}
        if not unwritable or readable == self.arguments:
            return failed
        others = [(receiver, error) for receiver, error in failed if receiver not in unwritable]
        return others + self._call(unwritable, readable)

    def _call(self, receivers, arguments):
        failed = []
        for receiver in receivers:
            try:
                synchronous(receiver)(signal=self.signal, sender=self.sender, **arguments)
            except Exception as error:
                failed.append((receiver, error))
        return failed


def is_known(event):
    return event["event"] in ARGUMENTS


def replaced(value):
    """Each byte that is not UTF-8 as U+FFFD."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def synchronous(receiver):
    return async_to_sync(receiver) if iscoroutinefunction(receiver) else receiver


def handler_class(is_tls):
    """The class that the site's django-ftpserver would have been the sender with, for receivers that ask for it."""
    if reference("handlers") is None:
        return Handler
    certificate = getattr(settings, "FTPSERVER_CERTFILE", None) or getattr(settings, "FTPSERVER_KEYFILE", None)
    name, default = ("FTPSERVER_HANDLER", "DjangoFTPHandler")
    if is_tls or certificate:
        name, default = ("FTPSERVER_TLSHANDLER", "DjangoTLS_FTPHandler")
    chosen = getattr(settings, name, None) or f"django_ftpserver.handlers.{default}"
    try:
        return (import_string(chosen) if isinstance(chosen, str) else chosen) or Handler
    except ImportError:
        return Handler


def server_class():
    command = reference("management.commands.ftpserver")
    return command.Command if command else Server


def reference(module):
    """A module of django-ftpserver; None where it, or pyftpdlib, is not installed."""
    try:
        return importlib.import_module(f"django_ftpserver.{module}")
    except ImportError:
        return None
