"""The file that `django-ftpd serve --export` reads: what dumpdata writes of users and groups, in JSON lines."""

import fcntl
import gzip
import hashlib
import io
import logging
import os
import stat
import tempfile
from contextlib import contextmanager

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.serializers.jsonl import Serializer
from django.db.models import prefetch_related_objects

logger = logging.getLogger(__name__)

CHUNK = 2000
# Written at each login; the server does not read it.
UNIMPORTANT = {"last_login"}


def models():
    """Those that are exported, what refers behind what it refers to."""
    labels = ["auth.Group", None, "django_ftpserver.FTPUserGroup", "django_ftpserver.FTPUserAccount"]
    return [get_user_model() if label is None else apps.get_model(label) for label in labels if is_installed(label)]


def is_installed(label):
    return label is None or apps.is_installed(APPS[label.split(".")[0]])


APPS = {"auth": "django.contrib.auth", "django_ftpserver": "django_ftpserver"}


def export(path):
    """Writes the file whole or not at all; returns how many users it has. Two at once wait for each other, so that the
    last one to write is the last one to have read."""
    path = os.path.abspath(path)
    with locked(path), replacing(path) as file:
        if path.endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as zipped:
                return write(zipped)
        return write(file)


def write(file):
    text = io.TextIOWrapper(file, encoding="utf-8", newline="\n", write_through=False)
    written = {}
    for model in models():
        written[model] = keys = set()
        objects = objects_of(model, written, keys)
        Lines().serialize(objects, stream=text, use_natural_foreign_keys=False, use_natural_primary_keys=False)
    text.flush()
    text.detach()
    return len(written[get_user_model()])


class Lines(Serializer):
    """dumpdata's, but groups are fetched for many users at once."""

    def handle_m2m_field(self, obj, field):
        if not field.remote_field.through._meta.auto_created:
            return
        others = getattr(obj, field.name).all()
        self._current[field.name] = [self._value_from_field(other, other._meta.pk) for other in others]


def objects_of(model, written, keys):
    """All of a model in the order of their keys, without those that refer to what came only after it was written: it
    would be missing in the file."""
    references = [
        (field.attname, written[field.related_model])
        for field in model._meta.concrete_fields
        if field.is_relation and field.related_model in written and field.related_model is not model
    ]
    for chunk in chunks(model._default_manager.order_by("pk").iterator(chunk_size=CHUNK)):
        prefetch_related_objects(chunk, *[field.name for field in model._meta.many_to_many])
        for one in chunk:
            if all(getattr(one, name) is None or getattr(one, name) in known for name, known in references):
                keys.add(one.pk)
                yield one


def chunks(objects):
    chunk = []
    for one in objects:
        chunk.append(one)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def fingerprint():
    """Something that differs when the file would; far cheaper to make than the file."""
    digest = hashlib.sha256()
    for model in models():
        names = [field.attname for field in model._meta.concrete_fields if field.name not in UNIMPORTANT]
        update(digest, model._default_manager.order_by("pk").values_list(*names))
        for field in model._meta.many_to_many:
            if field.remote_field.through._meta.auto_created:
                update(digest, field.remote_field.through._default_manager.order_by("pk").values_list())
    return digest.digest()


def update(digest, rows):
    for row in rows.iterator(chunk_size=CHUNK):
        digest.update(repr(row).encode("utf-8", "backslashreplace"))
    digest.update(b"\n")


@contextmanager
def locked(path):
    """Holds a lock that every exporter of this file takes."""
    directory, name = os.path.split(path)
    with open(os.path.join(directory, f".{name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def replacing(path):
    """A file that takes the place of another one when it is whole, with its rights; a new one is its owner's alone."""
    directory, name = os.path.split(path)
    number, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
    try:
        with os.fdopen(number, "wb") as file:
            keep_rights(path, file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    directory = os.open(directory, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def keep_rights(path, number):
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return
    mode = stat.S_IMODE(old.st_mode)
    try:
        os.fchown(number, old.st_uid if os.geteuid() == 0 else -1, old.st_gid)
    except PermissionError:
        # Another group must not read it in its place.
        mode &= 0o700
        logger.warning("%s: can't keep its group, whose rights are lost", path)
    os.fchmod(number, mode)
