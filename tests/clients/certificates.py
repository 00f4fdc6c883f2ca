"""Certificates for the checks of TLS, made by the openssl tool."""

import subprocess
from pathlib import Path
from typing import NamedTuple

# It is no authority, for some clients take no certificate of one from a server.
SERVER = ["subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost", "basicConstraints=critical,CA:FALSE"]
AUTHORITY = ["keyUsage=keyCertSign"]
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Certificate(NamedTuple):
    """Two PEM files."""

    file: Path
    key: Path

    def fingerprint(self):
        return openssl("x509", "-in", self.file, "-noout", "-fingerprint", "-sha256").strip().split("=")[1]


def self_signed(path, name="ftp.example.com", extensions=SERVER):
    """PATH.pem and PATH.key, for a server on this host."""
    made = Certificate(path.with_suffix(".pem"), path.with_suffix(".key"))
    openssl(
        "req", "-x509", *NEW_KEY, "-keyout", made.key, "-out", made.file, "-days", 30, "-subj", f"/CN={name}",
        *(word for extension in extensions for word in ("-addext", extension)),
    )  # fmt: skip
    made.key.chmod(0o600)
    return made


def of_client(path, name, authority):
    """PATH.pem and PATH.key, for a client of that name."""
    made = Certificate(path.with_suffix(".pem"), path.with_suffix(".key"))
    request, extensions = path.with_suffix(".csr"), path.with_suffix(".ext")
    extensions.write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n")
    openssl("req", *NEW_KEY, "-keyout", made.key, "-out", request, "-subj", f"/O=The checks/CN={name}")
    openssl(
        "x509", "-req", "-in", request, "-CA", authority.file, "-CAkey", authority.key, "-CAcreateserial",
        "-extfile", extensions, "-days", 30, "-out", made.file,
    )  # fmt: skip
    made.key.chmod(0o600)
    return made


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout
