from django.apps import AppConfig
from django.conf import settings


class DjangoFtpdConfig(AppConfig):
    name = "django_ftpd"
    verbose_name = "FTP server"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        path = getattr(settings, "FTPD_EXPORT", None)
        if path:
            from django_ftpd.changes import export_on_change

            export_on_change(path)
