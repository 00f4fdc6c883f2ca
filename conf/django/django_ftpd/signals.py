"""The signals of django-ftpserver: its own where it is installed, so that receivers of either name get them."""

from django.dispatch import Signal

__all__ = [
    "ftp_server_started",
    "ftp_server_stopped",
    "ftp_client_connected",
    "ftp_client_disconnected",
    "ftp_login",
    "ftp_login_failed",
    "ftp_logout",
    "ftp_file_received",
    "ftp_file_sent",
    "ftp_file_received_incomplete",
    "ftp_file_sent_incomplete",
    "ftp_file_deleted",
    "ftp_file_renamed",
    "ftp_directory_created",
    "ftp_directory_deleted",
]

try:
    from django_ftpserver import signals as reference
except ImportError:
    # It is not installed, or so old that it has no signals.
    reference = None

for name in __all__:
    globals()[name] = getattr(reference, name, None) or Signal()
