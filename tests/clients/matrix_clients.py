"""The clients of the matrix: how each is told to play a cell, and what it lacks.

A cell asks for: upload up.bin, list, get it as down.bin, rename it to moved.bin, delete surplus.bin. What `play`
returns is the listing.
"""

import asyncio
import ftplib
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import django_site
import matrix_dialogues
import with_rclone
from check import Failure
from tls_sessions import Implicit
from with_lftp import SETTINGS

PROGRAMS = Path(__file__).with_name("matrix")
COMMONS_NET = "/usr/share/java/commons-net.jar"
NODE_PACKAGE = "basic-ftp@5.0.5"
PYTHON_PACKAGE = "aioftp==0.27.2"

# Why a client lacks something, for each once.
NO_TLS = "The client knows no TLS."
NO_IMPLICIT_TLS = "The client knows no implicit TLS."
NO_IPV6 = "The client knows neither IPv6 nor the commands for it, EPSV and EPRT."
ONLY_IPV4 = {"IPv6": NO_IPV6, "EPSV": NO_IPV6, "EPRT": NO_IPV6}
ONLY_PASSIVE = "The client knows no active mode."
EPSV_FOR_IPV6 = "The client uses EPSV and EPRT only with IPv6, where it must."
EPRT_FOR_IPV6 = "The client uses EPRT only with IPv6, where it must."
UNKNOWN = "Not played: what is known here of Windows Explorer tells nothing of TLS, IPv6, EPSV and EPRT."
NO_TLS_IN_ACTIVE_MODE = "In active mode the client sends data in the clear after PROT P, which the server refuses."


class Client:
    """One client; its class says how it plays, `lacks` which words of a cell it can't and why."""

    name = ""
    lacks = {}
    # It has no uploads: it finds up.bin on the server.
    only_downloads = False

    def lack(self, cell):
        """Why the client can't, or None."""
        for words, why in self.lacks.items():
            if set(words.split()) <= cell.words:
                return why
        return None

    def prepare(self, site):
        """What takes long and is done once."""

    def play(self, place):
        raise NotImplementedError


def changes(place, option):
    """The commands that rename and delete, each behind an option that sends it as it is."""
    commands = [f"RNFR {place.path}/up.bin", f"RNTO {place.path}/moved.bin", f"DELE {place.path}/surplus.bin"]
    return [word for command in commands for word in (option, command)]


class Curl(Client):
    name = "curl"
    lacks = {"TLS active": NO_TLS_IN_ACTIVE_MODE}

    def play(self, place):
        self._curl(place, "-T", "up.bin", self._url(place))
        listing = self._curl(place, self._url(place))
        self._curl(place, "-o", "down.bin", self._url(place, "up.bin"))
        self._curl(place, *changes(place, "-Q"), self._url(place))
        return listing

    def _url(self, place, name=""):
        scheme = "ftps" if place.cell.tls == "implicit" else "ftp"
        return f"{scheme}://{place.address}{place.path}/{name}"

    def _curl(self, place, *arguments):
        options = {
            "PASV": ["--disable-epsv"],
            "EPSV": [],
            "PORT": ["-P", "-", "--disable-eprt"],
            "EPRT": ["-P", "-"],
        }[place.cell.data]
        if place.cell.tls != "plain":
            options += ["--ssl-reqd", "--cacert", place.authority]
        return place.run("curl", "-sS", "-g", "--max-time", 30, "--user", "ann:ann-secret", *options, *arguments)


class Wget(Client):
    name = "wget"
    lacks = {"EPSV IPv4": EPSV_FOR_IPV6, "EPRT IPv4": EPSV_FOR_IPV6}
    only_downloads = True

    def play(self, place):
        scheme = "ftp" if place.cell.tls == "plain" else "ftps"
        options = [] if place.cell.passive else ["--no-passive-ftp"]
        if place.cell.tls != "plain":
            options += [f"--ca-certificate={place.authority}"]
        if place.cell.tls == "implicit":
            options += ["--ftps-implicit"]
        login = ["--user=ann", "--password=ann-secret", "--tries=1", "--timeout=30", "-nv", "--no-config"]
        url = f"{scheme}://{place.address}{place.path}/"
        place.run("wget", *login, *options, "-r", "-l", 1, "-nd", "-P", "got", "--no-remove-listing", url)
        (place.here / "got" / "up.bin").rename(place.here / "down.bin")
        return (place.here / "got" / ".listing").read_text()


class Lftp(Client):
    name = "lftp"
    lacks = {"EPRT IPv4": EPRT_FOR_IPV6}

    def play(self, place):
        cell = place.cell
        settings = f"{SETTINGS} set ftp:passive-mode {'yes' if cell.passive else 'no'};"
        settings += f" set ftp:prefer-epsv {'yes' if cell.data == 'EPSV' else 'no'};"
        if cell.tls != "plain":
            settings += " set ftp:ssl-allow yes; set ftp:ssl-force true; set ftp:ssl-protect-data true;"
            settings += f" set ssl:ca-file {place.authority};"
        scheme = "ftps" if cell.tls == "implicit" else "ftp"
        commands = "put up.bin; ls; get up.bin -o down.bin; mv up.bin moved.bin; rm surplus.bin"
        site = f"open -u ann,ann-secret {scheme}://{place.address}"
        return place.run("lftp", "-c", f"{settings} {site}; cd {place.path}; {commands}")


class Ncftp(Client):
    name = "ncftp"
    lacks = {"TLS": NO_TLS} | ONLY_IPV4

    def play(self, place):
        options = ["-u", "ann", "-p", "ann-secret", "-r", 1, "-t", 30, "-F" if place.cell.passive else "-E"]
        there = ["-P", place.port, place.host]
        place.run("ncftpput", "-V", *options, *there, place.path, "up.bin")
        listing = place.run("ncftpls", *options, f"ftp://{place.address}{place.path}/")
        place.run("ncftpget", "-V", *options, *changes(place, "-Y"), "-C", *there, f"{place.path}/up.bin", "down.bin")
        return listing


class Script(Client):
    """A client that reads its commands from its standard input."""

    lacks = {"TLS": NO_TLS}

    def play(self, place):
        lines = ["user ann ann-secret", "binary", f"cd {place.path}", *self.extra(place.cell)]
        lines += ["put up.bin", "dir", "get up.bin down.bin", "rename up.bin moved.bin", "delete surplus.bin", "quit"]
        return place.run(*self.command(place), stdin="".join(f"{line}\n" for line in lines))


class Tnftp(Script):
    name = "tnftp"

    def command(self, place):
        return ["tnftp", "-p" if place.cell.passive else "-A", "-n", "-i", "-v", place.host, place.port]

    def extra(self, cell):
        return ["epsv4"] if cell.data in ("PASV", "PORT") else []


class Inetutils(Script):
    name = "inetutils"

    def command(self, place):
        mode = "-p" if place.cell.passive else "-A"
        return ["inetutils-ftp", mode, "-n", "-i", "-e", "-v", place.host, place.port]

    def extra(self, cell):
        return ["epsv4"] if cell.family == "IPv4" and cell.data in ("EPSV", "EPRT") else []


class Rclone(Client):
    name = "rclone"
    lacks = {"active": ONLY_PASSIVE}

    def play(self, place):
        at = with_rclone.at(place)
        self._rclone(place, "copyto", "up.bin", f"{at}up.bin")
        listing = self._rclone(place, "lsl", at)
        self._rclone(place, "copyto", f"{at}up.bin", "down.bin")
        self._rclone(place, "moveto", f"{at}up.bin", f"{at}moved.bin")
        self._rclone(place, "deletefile", f"{at}surplus.bin")
        return listing

    def _rclone(self, place, *arguments):
        options = {}
        setting = {"explicit": "EXPLICIT_TLS", "implicit": "TLS"}.get(place.cell.tls)
        if setting:
            options |= {f"RCLONE_CONFIG_SITE_{setting}": "true", "SSL_CERT_FILE": str(place.authority)}
        if place.cell.data == "PASV":
            options["RCLONE_CONFIG_SITE_DISABLE_EPSV"] = "true"
        return with_rclone.rclone(place, *arguments, server=place, port=place.port, **options)


class Ftplib(Client):
    name = "Python ftplib"
    lacks = {"EPSV IPv4": EPSV_FOR_IPV6, "EPRT IPv4": EPSV_FOR_IPV6}

    def play(self, place):
        with self._login(place) as ftp:
            ftp.set_pasv(place.cell.passive)
            ftp.cwd(place.path)
            with (place.here / "up.bin").open("rb") as up:
                ftp.storbinary("STOR up.bin", up)
            lines = []
            ftp.dir(lines.append)
            with (place.here / "down.bin").open("wb") as down:
                ftp.retrbinary("RETR up.bin", down.write)
            ftp.rename("up.bin", "moved.bin")
            ftp.delete("surplus.bin")
        return "\n".join(lines)

    def _login(self, place):
        if place.cell.tls == "plain":
            ftp = ftplib.FTP(timeout=30)
        else:
            kind = Implicit if place.cell.tls == "implicit" else ftplib.FTP_TLS
            ftp = kind(context=ssl.create_default_context(cafile=place.authority), timeout=30)
        ftp.connect(place.host, place.port)
        ftp.login("ann", "ann-secret")
        if place.cell.tls != "plain":
            ftp.prot_p()
        return ftp


class Aioftp(Client):
    name = "Python aioftp"
    lacks = {"active": ONLY_PASSIVE}

    def prepare(self, site):
        django_site.install(sys.executable, PYTHON_PACKAGE)

    def play(self, place):
        return asyncio.run(asyncio.wait_for(self._play(place), 60))

    async def _play(self, place):
        import aioftp

        context = ssl.create_default_context(cafile=place.authority) if place.authority else None
        options = {"ssl": context} if place.cell.tls == "implicit" else {}
        ftp = aioftp.Client(passive_commands=(place.cell.data.lower(),), socket_timeout=30, **options)
        await ftp.connect(place.host, place.port)
        if place.cell.tls == "explicit":
            await ftp.upgrade_to_tls(context)
        await ftp.login("ann", "ann-secret")
        if place.cell.tls == "implicit":
            await ftp.command("PBSZ 0", "200")
            await ftp.command("PROT P", "200")
        await ftp.change_directory(place.path)
        await ftp.upload(place.here / "up.bin", "up.bin", write_into=True)
        listing = [str(path) for path, _ in await ftp.list()]
        await ftp.download("up.bin", place.here / "down.bin", write_into=True)
        await ftp.rename("up.bin", "moved.bin")
        await ftp.remove_file("surplus.bin")
        await ftp.quit()
        return "\n".join(listing)


class Program(Client):
    """A client library, played by a program in its own language: what it prints is the listing."""

    def play(self, place):
        cell = place.cell
        return place.run(*self.command, place.host, place.port, cell.tls, cell.data, place.path, place.authority)


class Php(Program):
    name = "PHP"
    lacks = {"implicit": NO_IMPLICIT_TLS, "EPSV IPv4": EPSV_FOR_IPV6, "EPRT IPv4": EPSV_FOR_IPV6}
    command = ["php", PROGRAMS / "client.php"]


class Node(Program):
    name = "Node basic-ftp"
    lacks = {"active": ONLY_PASSIVE}
    command = ["node", PROGRAMS / "client.js"]

    def prepare(self, site):
        directory = site.directory / "node"
        self.command = ["env", f"NODE_PATH={directory}/node_modules", *Node.command]
        if directory.exists():
            return
        options = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", directory]
        run("npm", "install", *options, NODE_PACKAGE)


class Java(Program):
    name = "Java commons-net"
    lacks = {"EPRT IPv4": EPRT_FOR_IPV6}

    def prepare(self, site):
        if not Path(COMMONS_NET).exists():
            raise Failure(f"{COMMONS_NET} is missing: Debian's libcommons-net-java has it")
        classes = site.directory / "java"
        classes.mkdir(exist_ok=True)
        run("javac", "-cp", COMMONS_NET, "-d", classes, PROGRAMS / "Client.java")
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        self.command = ["java", *quick, "-cp", f"{classes}:{COMMONS_NET}", "Client"]


class Rust(Program):
    name = "Rust suppaftp"
    lacks = {"EPRT IPv4": EPRT_FOR_IPV6}

    def prepare(self, site):
        project, built = PROGRAMS / "rust", PROGRAMS / "rust" / "target"
        run("cargo", "build", "--quiet", "--locked", "--manifest-path", project / "Cargo.toml", "--target-dir", built)
        self.command = [built / "debug" / "django-ftpd-client"]


class Dialogue(Client):
    """What a program for desktops is known to say, played from a file."""

    lacks = {"EPSV IPv4": EPSV_FOR_IPV6, "EPRT IPv4": EPSV_FOR_IPV6}

    def __init__(self, name, lacks={}):
        self.name = name
        self.lacks = lacks or Dialogue.lacks

    def play(self, place):
        return matrix_dialogues.play(PROGRAMS / f"{self.name.lower().replace(' ', '-')}.txt", place)


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="surrogateescape", stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failure(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:] or done.stdout[-500:]}")


CLIENTS = [
    Curl(), Wget(), Lftp(), Ncftp(), Tnftp(), Inetutils(), Rclone(), Ftplib(), Aioftp(), Php(), Node(), Java(), Rust(),
    Dialogue("FileZilla"), Dialogue("WinSCP"), Dialogue("Windows Explorer", dict.fromkeys(["TLS", "IPv6", "EPSV", "EPRT"], UNKNOWN)),
]  # fmt: skip
