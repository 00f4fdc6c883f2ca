"""What has to be there: the peers, what puts load on them, the files that they serve, and a user of the system."""

import contextlib
import grp
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from places import CERTIFICATE, DEBIAN, HERE, KEY, LOAD, MEMORY, PASSWORD, PYTHON, REPOSITORY, TARGET, USER

PACKAGES = ["vsftpd", "proftpd-core", "proftpd-mod-crypto", "pure-ftpd"]
# What these need; they themselves are only unpacked, for they can't be installed beside each other.
LIBRARIES = """libacl1 libcap2 libhiredis0.14 libidn2-0 libmemcached11 libmemcachedutil2 libpcre2-posix3 libsodium23
    libwrap0 python3-venv""".split()
ARCHIVES = TARGET / "archives"
REQUIREMENTS = REPOSITORY / "tests/reference/requirements.txt"
UNFTP_VERSION = "0.16.0"
PAM_SERVICE = Path("/etc/pam.d", USER)
MIB = 1 << 20


def runs(*command, **options):
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, **options)


def is_debian():
    release = Path("/etc/os-release")
    return release.exists() and {"ID=debian", 'VERSION_ID="12"'} <= set(release.read_text().splitlines())


def load(is_quick):
    """Builds what puts load on a server; as fast as can be, or as soon."""
    profile, made = ("dev", "debug") if is_quick else ("release", "release")
    what = ["--manifest-path", HERE / "Cargo.toml", "--target-dir", TARGET / "build", "--profile", profile]
    runs("cargo", "build", "--quiet", "--locked", *what)
    shutil.copy(TARGET / "build" / made / "django-ftpd-peers", LOAD)


def certificate():
    if not CERTIFICATE.exists():
        extensions = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
        made = ["-newkey", "rsa:2048", "-nodes", "-days", 3650, "-keyout", KEY, "-out", CERTIFICATE]
        runs("openssl", "req", "-x509", "-subj", "/CN=localhost", *extensions, *made, stderr=subprocess.DEVNULL)


def peers():
    for install in [debian, python, unftp]:
        is_done = TARGET / f"{install.__name__}-is-installed"
        if not is_done.exists():
            install()
            is_done.touch()


def debian():
    as_root = ["-o", "APT::Sandbox::User=root", "-qq"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    runs("apt-get", "update", "-qq")
    runs("apt-get", "install", "-qq", "--no-install-recommends", *LIBRARIES, env=environment, stdout=subprocess.DEVNULL)
    shutil.rmtree(ARCHIVES, ignore_errors=True)
    ARCHIVES.mkdir()
    runs("apt-get", "download", *as_root, *PACKAGES, cwd=ARCHIVES)
    for archive in ARCHIVES.iterdir():
        runs("dpkg-deb", "--extract", archive, DEBIAN)


def python():
    runs("python3", "-m", "venv", "--clear", TARGET / "venv")
    runs(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS)


def unftp():
    features = ["--no-default-features", "--features", "auth_jsonfile"]
    where = ["--root", TARGET, "--target-dir", TARGET / "build-unftp"]
    # Not in the repository, whose .cargo/config.toml is not meant for it.
    runs("cargo", "install", "--quiet", "--locked", f"unftp@{UNFTP_VERSION}", *features, *where, cwd="/")


def versions():
    """What each peer says that it is."""
    found = {"unftp": UNFTP_VERSION}
    for archive in ARCHIVES.iterdir():
        name, version = archive.name.split("_")[:2]
        found[name.removesuffix("-core")] = re.split(r"[-+]", version)[0]
    for name in ["pyftpdlib", "django-ftpserver"]:
        asks = f"from importlib.metadata import version; print(version('{name}'))"
        found[name] = subprocess.run([PYTHON, "-c", asks], check=True, capture_output=True, text=True).stdout.strip()
    return found


def tree(is_quick):
    """The directory that is served, in memory, so that no disk is what is measured."""
    root = MEMORY / ("quick" if is_quick else "root")
    if not (root / "is-complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        for directory in ["small", "many"]:
            (root / directory).mkdir(parents=True)
        (root / "medium").write_bytes(os.urandom(MIB if is_quick else 10 * MIB))
        with (root / "large").open("wb") as opened:
            for _ in range(1 if is_quick else 1024):
                opened.write(os.urandom(MIB))
        for number in range(10 if is_quick else 10_000):
            (root / f"many/november-{number:05}.pdf").touch()
        (root / "is-complete").touch()
    return root


def empty(root):
    """Takes away what was uploaded."""
    for path in [root / "new", *(root / "small").iterdir()]:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def user_of_the_system(root):
    """The user that the servers in C know, with a hash that costs little, so that not crypt(3) is measured."""
    remove_user()
    runs("useradd", "--no-create-home", "--home-dir", root, "--shell", "/bin/bash", USER)
    try:
        hashed = ["chpasswd", "-c", "SHA512", "-s", "1000"]
        subprocess.run(hashed, check=True, input=f"{USER}:{PASSWORD}\n", text=True)
        kinds = {"auth": "unix", "account": "unix", "session": "permit"}
        PAM_SERVICE.write_text("".join(f"{kind} required pam_{module}.so\n" for kind, module in kinds.items()))
        owner = pwd.getpwnam(USER)
        for path in [root, *root.rglob("*")]:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        yield
    finally:
        remove_user()


def remove_user():
    PAM_SERVICE.unlink(missing_ok=True)
    with contextlib.suppress(KeyError):
        pwd.getpwnam(USER)
        runs("userdel", USER)
    with contextlib.suppress(KeyError):
        grp.getgrnam(USER)
        runs("groupdel", USER)
