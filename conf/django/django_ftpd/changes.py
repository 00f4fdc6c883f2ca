"""Exports the users anew when the site's own processes change them: the setting FTPD_EXPORT."""

import logging
import os
import threading

from django.db import connections, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from django_ftpd.export import UNIMPORTANT, export, models

logger = logging.getLogger(__name__)

# Many changes at once are one export.
PAUSE_SECONDS = 1


def export_on_change(path):
    """From now on, each change of a user or group is followed by an export."""
    exporter = Exporter(path)
    through = []
    for model in models():
        post_save.connect(exporter.changed, sender=model, weak=False)
        post_delete.connect(exporter.changed, sender=model, weak=False)
        through += [field.remote_field.through for field in model._meta.many_to_many]
    for model in through:
        m2m_changed.connect(exporter.changed, sender=model, weak=False)


class Exporter:
    """Exports in a thread of its own, a moment after a change, so that nobody waits for it."""

    def __init__(self, path):
        self.path = path
        self._begin_anew()
        # The threads of a process that forks stay behind.
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self):
        self._lock = threading.Lock()
        self._is_due = False

    def changed(self, sender, using, update_fields=None, **kwargs):
        if update_fields is None or not UNIMPORTANT.issuperset(update_fields):
            transaction.on_commit(self._schedule, using=using)

    def _schedule(self):
        with self._lock:
            if self._is_due:
                return
            self._is_due = True
        # No daemon: a command that ends waits for its export.
        threading.Timer(PAUSE_SECONDS, self._export).start()

    def _export(self):
        with self._lock:
            self._is_due = False
        try:
            export(self.path)
        except Exception:
            logger.exception("%s: the export failed; the old one stays", self.path)
        finally:
            connections.close_all()
