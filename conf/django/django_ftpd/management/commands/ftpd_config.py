"""Prints a configuration of django-ftpd."""

from django.core.management.base import BaseCommand

from django_ftpd.configuration import configuration


class Command(BaseCommand):
    help = "Prints the configuration file of django-ftpd (TOML) that does what the settings of this site say."

    def handle(self, *args, **options):
        self.stdout.write(configuration(), ending="")
