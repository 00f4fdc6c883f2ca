"""The audit table, which the server makes and fills."""

from django.conf import settings
from django.db import models

from django_ftpd import signals


class AuditManager(models.Manager):
    """Reads from the database that FTPD_AUDIT_DATABASE names, if it is set."""

    def get_queryset(self):
        queryset = super().get_queryset()
        alias = self._db or getattr(settings, "FTPD_AUDIT_DATABASE", None)
        return queryset.using(alias) if alias else queryset


class Event(models.Model):
    """Something that happened in the FTP server."""

    id = models.BigIntegerField("number", primary_key=True)
    time = models.DateTimeField()
    event_type = models.TextField("event", choices=[(name, name) for name in signals.__all__])
    username = models.TextField(null=True)
    remote_ip = models.TextField("address", null=True)
    path = models.TextField(null=True)
    virtual_path = models.TextField("path as the user sees it", null=True)
    path_to = models.TextField("new path", null=True)
    bytes = models.BigIntegerField(null=True)
    duration_ms = models.BigIntegerField("milliseconds", null=True)
    reason = models.TextField(null=True)
    session = models.BigIntegerField(null=True)
    data = models.TextField("everything", help_text="As the journal has it.")

    objects = AuditManager()

    class Meta:
        managed = False
        db_table = "django_ftpd_event"
        ordering = ["-id"]
        default_permissions = ["view"]
        verbose_name = "FTP event"
        verbose_name_plural = "FTP events"

    def __str__(self):
        return f"{self.event_type} {self.id}"
