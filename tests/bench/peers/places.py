"""Where everything is that `run` makes, and the account that all servers know."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
TARGET = REPOSITORY / "target/peers"
MEMORY = Path("/dev/shm/django-ftpd-peers")

# Of the system user, and of the PAM service, too.
USER = "django-ftpd-peers"
PASSWORD = "peers-secret"

CERTIFICATE = TARGET / "certificate.pem"
KEY = TARGET / "key.pem"
PYTHON = TARGET / "venv/bin/python"
UNFTP = TARGET / "bin/unftp"
DEBIAN = TARGET / "debian"
LOAD = TARGET / "load"
