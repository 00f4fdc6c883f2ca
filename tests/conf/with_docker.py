"""The image of conf/docker, built and run without Docker: buildah reads the same Dockerfile, unshare makes the container."""

import os
import re
import shutil
import signal
from pathlib import Path

from check import check, expect, same
from host import CONF, ROOT, ended, run
from with_first_process import init_of

DOCKERFILE = CONF / "docker/Dockerfile"
COMPOSE = CONF / "docker/compose.yaml"


def buildah(host, *words):
    """Without a service, other storage than the directory's, or rights that a build machine may lack."""
    root = ["--root", host.path("storage"), "--runroot", host.path("runroot"), "--storage-driver", "vfs"]
    return run("buildah", *root, *words, env=os.environ | {"BUILDAH_ISOLATION": "chroot"})


def image(host):
    """The root of a container of the image, and what the image says of itself."""
    context = host.path("context")
    context.mkdir()
    shutil.copy(host.binary, context / "django-ftpd")
    buildah(host, "build", "--isolation", "chroot", "--file", DOCKERFILE, "--tag", "django-ftpd", context)
    container = buildah(host, "from", "--pull-never", "localhost/django-ftpd").strip()
    said = buildah(host, "inspect", "--format", "{{.OCIv1.Config.User}} {{.OCIv1.Config.StopSignal}}", container).split()
    return Path(buildah(host, "mount", container).strip()), said


def environment():
    """What compose.yaml gives the server."""
    pairs = re.findall(r"^      (FTPSERVER_\w+): (.+)$", COMPOSE.read_text(), re.MULTILINE)
    return {name: value.strip('"') for name, value in pairs}


@check
def docker_image_has_the_binary_alone(host):
    root, said = image(host)
    names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    expect(names == ["django-ftpd"], f"it has {names}")
    same(root / "django-ftpd", host.binary)
    expect(said == ["1000:1000", "SIGTERM"], f"user and stop signal are {said}")
    host.note(f"{sum(path.stat().st_size for path in root.rglob('*') if path.is_file())} bytes")


@check
def docker_container_serves_and_stops(host):
    """With the directories and variables of compose.yaml, as its user, in a root that nobody can write to."""
    root, _ = image(host)
    user = re.search(r'user: "([0-9:]+)"', COMPOSE.read_text()).group(1)
    host.shut_up().home
    variables = environment()
    volumes = re.findall(r"^      - (/\S+):(/\S+)$", COMPOSE.read_text(), re.MULTILINE)
    database, home = host.path("srv/site/db.sqlite3"), host.path("srv/ftp/ann")
    for directory in [database.parent, home, host.path("var/log/django-ftpd")]:
        directory.mkdir(parents=True)
    host.path("site.sqlite3").rename(database)
    run(*host.command("group", "change", "staff", "--no-home", "--database", "/srv/site/db.sqlite3"))
    host.own(int(user.split(":")[0]))
    # Published, there is the port of the host; here it is the container's own.
    expect(variables["FTPSERVER_ADDRESS"] == "0.0.0.0:2121", "the address is another than EXPOSE says")
    variables["FTPSERVER_ADDRESS"] = f"127.0.0.1:{host.port}"
    # A name of nobody's: what clients of this check connect to is the control connection's address.
    variables["FTPSERVER_MASQUERADE_ADDRESS"] = "127.0.0.1"
    binds = []
    for outside, inside in volumes:
        expect(outside == inside, f"{inside} is {outside} outside, which homes and events name")
        (root / inside[1:]).mkdir(parents=True)
        binds.append(f"mount --bind {host.path(outside[1:])} {root}{inside}")
    (root / "proc").mkdir()
    read_only = [f"mount --bind {root} {root}", f"mount -o remount,bind,ro {root}"]
    script = " && ".join([*read_only, *binds, f"mount -t proc proc {root}/proc"])
    script += f" && exec chroot --userspec={user} {root} /django-ftpd serve"
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script]
    process = host.start(words, env=variables)
    host.curl("--upload-file", host.binary, path="x")
    same(home / "x", host.binary)
    expect(str((home / "x").stat().st_uid) == user.split(":")[0], "the upload belongs to somebody else")
    expect("ftp_file_received" in host.path("var/log/django-ftpd/events.jsonl").read_text(), "the journal is empty")
    os.kill(init_of(host, process), signal.SIGTERM)
    expect(ended(process) == 0, "it did not stop in order")


@check
def docker_files_agree(host):
    dockerfile, compose = DOCKERFILE.read_text(), COMPOSE.read_text()
    exposed = re.search(r"^EXPOSE (\d+) (\S+)$", dockerfile, re.MULTILINE).groups()
    port, passive = exposed
    expect(f'"21:{port}"' in compose and f'"{passive}:{passive}"' in compose, "compose.yaml publishes other ports")
    variables = environment()
    expect(variables["FTPSERVER_PASSIVE_PORTS"] == passive, "the passive ports are others than EXPOSE says")
    expect(variables["FTPSERVER_ADDRESS"] == f"0.0.0.0:{port}", "the address is another than EXPOSE says")
    built = re.search(r"docker build .* (\S+)$", dockerfile, re.MULTILINE).group(1)
    expect(str(ROOT / built) == str(host.binary.parent), f"the binary is not in {built}")


@check
def docker_compose_reads_the_file(host):
    run("docker-compose", "--file", COMPOSE, "config", "--quiet")
