"""TLS: curl, lftp, rclone and wget, explicit and implicit, every version, with and without session reuse, and client
certificates. All but a few share one server, which demands TLS for logins and data."""

import json
import shutil
import time
from urllib.parse import quote

import certificates
import with_lftp
import with_rclone
from check import check, eventually, expect, noise, same, same_trees

EXPLICIT, IMPLICIT = "ftp", "ftps"
BOTH = [EXPLICIT, IMPLICIT]
ONLY_TLS_1_2 = "set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS1.2;"
# curl's exit statuses: what it says of a handshake, or of what the server does behind it.
CURL_LOGIN_DENIED, CURL_UNTRUSTED, CURL_REFUSED = 67, 60, (8, 9, 13, 64)


def transfers(room, server):
    """What the journal says of the transfers in this room: the TLS version of each connection, control and data."""
    seen = []
    for line in server.journal.read_text().splitlines():
        event = json.loads(line)
        if "bytes" in event and event["virtual_path"].startswith(f"{room.path}/"):
            seen.append((event.get("tls"), event.get("data_tls")))
    return seen


def went_in(room, version, least, server=None):
    """So many transfers were made, or more, in that version on both connections."""
    server = server or room.site.tls
    eventually(lambda: len(transfers(room, server)) >= least, f"there were {len(transfers(room, server))} transfers")
    seen = set(transfers(room, server))
    expect(seen == {(version, version)}, f"the transfers were made in {seen}")


def curl(room, *arguments, user="ann:ann-secret", ca=None, level="--ssl-reqd", **options):
    command = ["curl", "-sS", "-g", "--max-time", 60, level, "--cacert", ca or room.site.certificate.file]
    return room.run(*command, "--user", user, *arguments, **options)


def url(room, name="", scheme=EXPLICIT, server=None):
    server = server or room.site.tls
    host = f"[{server.host}]" if ":" in server.host else server.host
    port = server.implicit_port if scheme == IMPLICIT else server.port
    return f"{scheme}://{host}:{port}{quote(room.path)}/{quote(name)}"


# Not in active mode, where curl 7.88 forgets TLS and sends in the clear: https://github.com/curl/curl/issues/10666
def curl_both_ways(room, *arguments, size=300_000, level="--ssl-reqd", **where):
    file = room.local("file.bin", size)
    curl(room, *arguments, "-T", file, url(room, **where), level=level)
    same(room.there / "file.bin", file)
    curl(room, *arguments, "-o", "got", url(room, "file.bin", **where), level=level)
    same(room.here / "got", file)
    expect("file.bin" in curl(room, *arguments, url(room, **where), level=level), "the file is not listed")
    (room.there / "file.bin").unlink()


@check
def tls_curl_moves_files_both_ways(room):
    for scheme in BOTH:
        curl_both_ways(room, scheme=scheme)
    went_in(room, "TLSv1.3", 4)


@check
def tls_curl_moves_20_megabytes_both_ways(room):
    for scheme in BOTH:
        curl_both_ways(room, size=20_000_000, scheme=scheme)


@check
def tls_curl_moves_an_empty_file_both_ways(room):
    curl_both_ways(room, size=0)


@check
def tls_curl_speaks_1_2(room):
    for scheme in BOTH:
        curl_both_ways(room, "--tls-max", "1.2", size=3_000_000, scheme=scheme)
    went_in(room, "TLSv1.2", 4)


@check
def tls_curl_speaks_1_3(room):
    for scheme in BOTH:
        curl_both_ways(room, "--tlsv1.3", size=3_000_000, scheme=scheme)
    went_in(room, "TLSv1.3", 4)


@check
def tls_curl_lists(room):
    room.remote("file.bin", 1234)
    for scheme in BOTH:
        lines = curl(room, url(room, scheme=scheme)).splitlines()
        expect(any(" 1234 " in line and line.endswith(" file.bin") for line in lines), lines)
        expect(curl(room, "-l", url(room, scheme=scheme)).splitlines() == ["file.bin"], "NLST")
    (room.there / "file.bin").unlink()
    expect(curl(room, url(room)) == "", "LIST of an empty directory is not empty")


@check
def tls_curl_makes_five_transfers_on_one_connection(room):
    for version in [["--tlsv1.3"], ["--tls-max", "1.2"]]:
        arguments = []
        for number in range(5):
            room.local(f"{number}", data=noise(200_000, number))
            arguments += ["-T", f"{number}", url(room, f"{number}")]
        curl(room, *version, *arguments)
        arguments = []
        for number in range(5):
            same(room.there / f"{number}", noise(200_000, number))
            arguments += ["-o", f"got{number}", url(room, f"{number}")]
        curl(room, *version, *arguments)
        for number in range(5):
            same(room.here / f"got{number}", noise(200_000, number))


@check
def tls_curl_uses_pasv(room):
    curl_both_ways(room, "--disable-epsv")


@check
def tls_curl_uses_ipv6(room):
    with room.site.serve_tls("tls-ipv6", address="[::1]") as server:
        for scheme in BOTH:
            curl_both_ways(room, scheme=scheme, server=server)


@check
def tls_curl_refuses_a_certificate_it_does_not_know(room):
    other = certificates.self_signed(room.here / "other")
    for scheme in BOTH:
        curl(room, url(room, scheme=scheme), ca=other.file, ok=(CURL_UNTRUSTED,))
    curl(room, url(room))


@check
def tls_curl_is_refused_in_the_clear(room):
    log = room.site.tls.output
    room.run("curl", "-sSv", "--user", "ann:ann-secret", url(room), ok=(CURL_LOGIN_DENIED,))
    expect("< 550 SSL/TLS required" in room.errors, room.errors)
    expect("PASS" not in room.errors, "it was let to send a password")
    expect("ann-secret" not in log.read_text(), "the log holds the password")


@check
def tls_curl_resumes_both_ways(room):
    for scheme in BOTH:
        file = room.local("file.bin", 3_000_000)
        room.remote("file.bin", data=file.read_bytes()[:1_234_567])
        curl(room, "-C", "-", "-T", file, url(room, scheme=scheme))
        same(room.there / "file.bin", file)
        (room.here / "got").write_bytes(file.read_bytes()[:1_234_567])
        curl(room, "-C", "-", "-o", "got", url(room, "file.bin", scheme=scheme))
        same(room.here / "got", file)


@check
def tls_curl_renames_deletes_and_makes_directories(room):
    want = room.remote("old name").read_bytes()
    curl(room, "-Q", f"RNFR {room.path}/old name", "-Q", f"RNTO {room.path}/new name", url(room))
    same(room.there / "new name", want)
    curl(room, "-Q", f"DELE {room.path}/new name", "-Q", f"MKD {room.path}/a directory", url(room))
    expect([path.name for path in room.there.iterdir()] == ["a directory"], "DELE or MKD did nothing")


@check
def tls_curl_protects_only_the_control_connection(room):
    with room.site.serve_tls("tls-control", "--no-tls-data-required") as server:
        curl_both_ways(room, level="--ftp-ssl-control", server=server)
        eventually(lambda: len(transfers(room, server)) == 2, "there were not two transfers")
        expect(set(transfers(room, server)) == {("TLSv1.3", None)}, transfers(room, server))
        curl_both_ways(room, server=server)
    curl(room, "-v", url(room), level="--ftp-ssl-control", ok=CURL_REFUSED)
    expect("< 534 SSL/TLS required" in room.errors, room.errors)


@check
def tls_curl_resumes_its_session_on_data_connections(room):
    with room.site.serve_tls("tls-curl-reuse", "--tls-session-reuse", "require") as server:
        for scheme in BOTH:
            for version in [["--tlsv1.3"], ["--tls-max", "1.2"]]:
                curl_both_ways(room, *version, scheme=scheme, server=server)


def lftp(room, commands, settings="", scheme=EXPLICIT, server=None, **options):
    server = server or room.site.tls
    port = server.implicit_port if scheme == IMPLICIT else server.port
    settings = (
        f"{with_lftp.SETTINGS} set ftp:ssl-allow yes; set ftp:ssl-force true; set ftp:ssl-protect-data true;"
        f" set ssl:ca-file {room.site.certificate.file}; {settings}"
    )
    site = f"open -u ann,ann-secret {scheme}://{server.host}:{port}"
    return room.run("lftp", "-c", f"{settings} {site}; cd {room.path}; {commands}", **options)


@check
def tls_lftp_mirrors_a_tree_there_and_back(room):
    tree = room.plant(room.here / "tree")
    for scheme in BOTH:
        lftp(room, f"mirror -R tree {scheme}; mirror {scheme} back-{scheme}", scheme=scheme)
        same_trees(room.there / scheme, tree)
        same_trees(room.here / f"back-{scheme}", tree)


@check
def tls_lftp_mirrors_in_parallel(room):
    tree = room.plant(room.here / "tree")
    lftp(room, "mirror -R -P 4 tree copy; mirror -P 4 copy back")
    same_trees(room.there / "copy", tree)
    same_trees(room.here / "back", tree)


@check
def tls_lftp_speaks_1_2(room):
    tree = room.plant(room.here / "tree")
    for scheme in BOTH:
        lftp(room, f"mirror -R tree {scheme}; mirror {scheme} back-{scheme}", ONLY_TLS_1_2, scheme=scheme)
        same_trees(room.there / scheme, tree)
        same_trees(room.here / f"back-{scheme}", tree)
    went_in(room, "TLSv1.2", 4 * 30)


@check
def tls_lftp_mirrors_small_files_without_stalls(room):
    """A small packet that waits for the acknowledgement of another stalls for 40 ms; two ends that are awake, for 1."""
    for number in range(100):
        room.local(f"tree/{number}", 500 + number)
    for name, version in [("1.3", ""), ("1.2", ONLY_TLS_1_2)]:
        up = quickest(lambda: lftp(room, "mirror -R tree copy", version), room.there / "copy")
        same_trees(room.there / "copy", room.here / "tree")
        down = quickest(lambda: lftp(room, "mirror copy back", version), room.here / "back")
        same_trees(room.here / "back", room.here / "tree")
        expect(up < 3 and down < 3, f"in TLS {name} 100 files took {up:.1f} s up and {down:.1f} s down")


def quickest(transfer, target):
    """The seconds that the better one of two attempts takes; this machine may be busy."""
    seconds = []
    for _ in range(2):
        shutil.rmtree(target, ignore_errors=True)
        began = time.monotonic()
        transfer()
        seconds.append(time.monotonic() - began)
    return min(seconds)


@check
def tls_lftp_moves_20_megabytes_both_ways(room):
    file = room.local("big.bin", 20_000_000)
    for version in ["", ONLY_TLS_1_2]:
        lftp(room, "put big.bin; get big.bin -o got", version)
        same(room.there / "big.bin", file)
        same(room.here / "got", file)


@check
def tls_lftp_regets_and_reputs(room):
    for scheme in BOTH:
        file = room.local(f"{scheme}.bin", 3_000_000)
        room.remote(f"{scheme}.bin", data=file.read_bytes()[:1_234_567])
        lftp(room, f"reput {scheme}.bin", scheme=scheme)
        same(room.there / f"{scheme}.bin", file)
        (room.here / "got").write_bytes(file.read_bytes()[:1_234_567])
        lftp(room, f"reget {scheme}.bin -o got", scheme=scheme)
        same(room.here / "got", file)


@check
def tls_lftp_downloads_in_parallel_segments(room):
    file = room.remote("file.bin", 8_000_000)
    lftp(room, "pget -n 4 file.bin -o got")
    same(room.here / "got", file)


@check
def tls_lftp_uses_active_mode(room):
    file = room.local("file.bin")
    lftp(room, "put file.bin; get file.bin -o got; cls", "set ftp:passive-mode off;")
    same(room.there / "file.bin", file)
    same(room.here / "got", file)


@check
def tls_lftp_refuses_a_certificate_it_does_not_know(room):
    other = certificates.self_signed(room.here / "other")
    lftp(room, "cls", f"set ssl:ca-file {other.file};", ok=(1,))
    expect("ertificate" in room.errors, room.errors)


@check
def tls_lftp_resumes_its_session_on_data_connections(room):
    tree = room.plant(room.here / "tree")
    with room.site.serve_tls("tls-lftp-reuse", "--tls-session-reuse", "require") as server:
        for number, version in enumerate(["", ONLY_TLS_1_2]):
            lftp(room, f"mirror -R tree {number}; mirror -P 4 {number} back-{number}", version, server=server)
            same_trees(room.there / f"{number}", tree)
            same_trees(room.here / f"back-{number}", tree)


def rclone(room, *arguments, scheme=EXPLICIT, server=None, **options):
    server = server or room.site.tls
    setting, port = ("TLS", server.implicit_port) if scheme == IMPLICIT else ("EXPLICIT_TLS", server.port)
    return with_rclone.rclone(
        room, *arguments, server=server, port=port, **options,
        **{f"RCLONE_CONFIG_SITE_{setting}": "true"}, SSL_CERT_FILE=str(room.site.certificate.file),
    )  # fmt: skip


@check
def tls_rclone_copies_there_and_back(room):
    tree = room.plant(room.here / "tree")
    for scheme in BOTH:
        copy = with_rclone.at(room, scheme)
        rclone(room, "copy", "--transfers", 4, tree, copy, scheme=scheme)
        same_trees(room.there / scheme, tree)
        rclone(room, "copy", "--transfers", 4, copy, room.here / f"back-{scheme}", scheme=scheme)
        same_trees(room.here / f"back-{scheme}", tree)
        rclone(room, "check", "--download", tree, copy, scheme=scheme)
    went_in(room, "TLSv1.3", 4 * 30)


@check
def tls_rclone_moves_20_megabytes_both_ways(room):
    file = room.local("big.bin", 20_000_000)
    for options in [{}, {"RCLONE_CONFIG_SITE_DISABLE_TLS13": "true"}]:
        rclone(room, "copyto", file, with_rclone.at(room, "big.bin"), **options)
        same(room.there / "big.bin", file)
        rclone(room, "copyto", with_rclone.at(room, "big.bin"), room.here / "got", **options)
        same(room.here / "got", file)


@check
def tls_rclone_refuses_a_certificate_it_does_not_know(room):
    other = certificates.self_signed(room.here / "other")
    with room.site.serve_tls("tls-other", certificate=other) as server:
        rclone(room, "lsf", with_rclone.at(room), server=server, ok=(1,))
    expect("x509" in room.errors, room.errors)


@check
def tls_rclone_resumes_its_session_on_data_connections(room):
    tree = room.plant(room.here / "tree")
    with room.site.serve_tls("tls-rclone-reuse", "--tls-session-reuse", "require") as server:
        for scheme in BOTH:
            copy = with_rclone.at(room, scheme)
            rclone(room, "copy", "--transfers", 4, tree, copy, server=server, scheme=scheme)
            same_trees(room.there / scheme, tree)
            rclone(room, "copy", "--transfers", 4, copy, room.here / f"back-{scheme}", server=server, scheme=scheme)
            same_trees(room.here / f"back-{scheme}", tree)


def wget(room, *arguments, **options):
    login = ["--user=ann", "--password=ann-secret", "--tries=1", "--timeout=30", "-nv", "--no-config"]
    return room.run("wget", *login, f"--ca-certificate={room.site.certificate.file}", *arguments, **options)


@check
def tls_wget_downloads(room):
    file = room.remote("file.bin", 3_000_000)
    port = room.site.tls.port
    wget(room, "-O", "explicit", f"ftps://127.0.0.1:{port}{room.path}/file.bin")
    same(room.here / "explicit", file)
    wget(room, "-O", "implicit", "--ftps-implicit", url(room, "file.bin", IMPLICIT))
    same(room.here / "implicit", file)
