"""ncftp: ncftpput, ncftpget and ncftpls, passive and active, whole trees."""

from check import check, expect, same, same_trees


def ncftp(room, program, *arguments, target=(), **options):
    login = ["-u", "ann", "-p", "ann-secret", "-P", room.server.port, "-r", 1, "-t", 30]
    return room.run(program, *login, *arguments, room.server.host, *target, **options)


def put(room, *arguments, to=None, files=(), **options):
    return ncftp(room, "ncftpput", "-V", *arguments, target=[to or room.path, *files], **options)


def get(room, *arguments, into=".", files=(), **options):
    target = [into, *(f"{room.path}/{file}" for file in files)]
    return ncftp(room, "ncftpget", "-V", *arguments, target=target, **options)


def ls(room, *arguments, name=""):
    return room.run(
        "ncftpls", "-u", "ann", "-p", "ann-secret", "-r", 1, *arguments,
        f"ftp://{room.server.host}:{room.server.port}{room.path}/{name}",
    )  # fmt: skip


@check
def ncftp_uploads_and_downloads(room):
    both_ways(room, "-F")


@check
def ncftp_uses_active_mode(room):
    both_ways(room, "-E")


@check
def ncftp_moves_20_megabytes_both_ways(room):
    both_ways(room, "-F", size=20_000_000)


@check
def ncftp_moves_an_empty_file_both_ways(room):
    both_ways(room, "-F", size=0)


@check
def ncftp_moves_awkward_names(room):
    for name in ["two words", "ünï ☃"]:
        file = room.local(name, 1_000)
        put(room, files=[name])
        same(room.there / name, file)
        file.unlink()
        get(room, files=[name])
        same(room.here / name, room.there / name)


@check
def ncftp_resumes_a_download(room):
    file = room.remote("file.bin", 3_000_000)
    (room.here / "file.bin").write_bytes(file.read_bytes()[:1_234_567])
    get(room, "-z", files=["file.bin"])
    same(room.here / "file.bin", file)


@check
def ncftp_resumes_an_upload(room):
    whole = room.local("file.bin", 3_000_000).read_bytes()
    start = whole[:1_234_567]
    room.remote("file.bin", data=start)
    put(room, "-z", files=["file.bin"])
    # ncftp 3.2.6 asks for the right REST, and then hands sendfile the whole file.
    stored = (room.there / "file.bin").read_bytes()
    same(stored, whole if len(stored) == len(whole) else start + whole)


@check
def ncftp_appends(room):
    room.local("file", data=b"two")
    room.remote("file", data=b"one ")
    put(room, "-A", files=["file"])
    same(room.there / "file", b"one two")


@check
def ncftp_uploads_under_a_temporary_name(room):
    file = room.local("file.bin")
    put(room, "-S", ".part", files=["file.bin"])
    same(room.there / "file.bin", file)
    expect(not (room.there / "file.bin.part").exists(), "the temporary name is still there")


@check
def ncftp_makes_the_directory_it_uploads_into(room):
    file = room.local("file.bin")
    put(room, "-m", to=f"{room.path}/a/b", files=["file.bin"])
    same(room.there / "a" / "b" / "file.bin", file)


@check
def ncftp_moves_a_tree_both_ways(room):
    tree = room.plant(room.here / "tree")
    put(room, "-R", files=["tree"])
    same_trees(room.there / "tree", tree)
    (room.here / "back").mkdir()
    get(room, "-R", into="back", files=["tree"])
    same_trees(room.here / "back" / "tree", tree)


@check
def ncftp_gets_by_pattern(room):
    for name in ["a.dat", "b.dat", "c.txt"]:
        room.remote(name, 1_000)
    get(room, files=["*.dat"])
    got = sorted(path.name for path in room.here.iterdir() if path.suffix in (".dat", ".txt"))
    expect(got == ["a.dat", "b.dat"], got)


@check
def ncftp_deletes_what_it_downloaded(room):
    file = room.remote("file.bin")
    want = file.read_bytes()
    get(room, "-DD", files=["file.bin"])
    same(room.here / "file.bin", want)
    expect(not file.exists(), "the file is still there")


@check
def ncftp_lists(room):
    room.plant(room.there)
    expect("top.bin" in ls(room), "the plain listing lacks the file")
    expect(any(line.startswith("d") and line.endswith("many") for line in ls(room, "-l").splitlines()), "ls -l")
    expect("sub" in ls(room, "-1").splitlines(), "ls -1")
    expect("many" in ls(room, "-x", "-CF"), "ls -CF")


@check
def ncftp_lists_an_empty_directory(room):
    expect(ls(room).strip() == "", "the listing is not empty")


def both_ways(room, *arguments, size=100_000):
    file = room.local("file.bin", size)
    want = file.read_bytes()
    put(room, *arguments, files=["file.bin"])
    same(room.there / "file.bin", want)
    file.unlink()
    get(room, *arguments, files=["file.bin"])
    same(room.here / "file.bin", want)
