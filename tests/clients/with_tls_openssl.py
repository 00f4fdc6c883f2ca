"""TLS: openssl's s_client, which shows what is negotiated; client certificates; a certificate that is replaced."""

import os
import re
import subprocess
import time

import certificates
from check import check, eventually, expect, noise, same
from tls_sessions import KINDS, login
from with_ftplib import put
from with_tls import CURL_LOGIN_DENIED, curl, url
from with_tls_ftplib import five_both_ways

SECONDS = 20
# curl's exit statuses: in TLS 1.3 a client hears only behind its handshake that its certificate is not liked.
CURL_NO_HANDSHAKE = (35, 55, 56, 98)


class Client:
    """`openssl s_client`, in a session that it has brought to TLS."""

    def __init__(self, room, *options, implicit=False, server=None):
        server = server or room.site.tls
        command = ["openssl", "s_client", "-connect"]
        command += [f"{server.host}:{server.implicit_port if implicit else server.port}"]
        command += [] if implicit else ["-starttls", "ftp"]
        command += ["-CAfile", room.site.certificate.file, "-crlf", "-ign_eof", *options]
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=room.here,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.output = ""

    def send(self, line):
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def wait_for(self, pattern):
        """Until the output has it, a regular expression."""
        os.set_blocking(self.process.stdout.fileno(), False)
        end = time.monotonic() + SECONDS
        while not re.search(pattern, self.output, re.MULTILINE):
            ended = self.process.poll() is not None
            self.output += (self.process.stdout.read() or b"").decode(errors="replace")
            found = re.search(pattern, self.output, re.MULTILINE)
            expect(found or not (ended or time.monotonic() > end), f"no {pattern} in {self.output[-500:]}")
            time.sleep(0.01)

    def status(self):
        """How it ends."""
        status = self.process.wait(SECONDS)
        self.output += (self.process.stdout.read() or b"").decode(errors="replace")
        return status

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def talk(room, *options, **where):
    """A session with FEAT and QUIT; returns what s_client says of it."""
    with Client(room, *options, **where) as client:
        client.wait_for(r"Verify return code|^220 " if where.get("implicit") else r"Verify return code")
        client.send("FEAT")
        client.wait_for(r"^211 End")
        client.send("QUIT")
        client.wait_for(r"^221 ")
        expect(client.status() == 0, f"it ended with {client.process.returncode}")
        expect("Verify return code: 0 (ok)" in client.output, "the certificate is not verified")
        return client.output


@check
def tls_openssl_talks_in_1_2_and_1_3(room):
    for implicit in [False, True]:
        for version, option in [("TLSv1.2", "-tls1_2"), ("TLSv1.3", "-tls1_3")]:
            said = talk(room, option, implicit=implicit)
            expect(f"New, {version}" in said, said)
            expect("PBSZ" in said and "PROT" in said, said)
            expect(not implicit or "220 " in said, said)


@check
def tls_openssl_is_refused_1_1(room):
    for version in ["-tls1", "-tls1_1"]:
        with Client(room, version, "-cipher", "DEFAULT@SECLEVEL=0") as client:
            expect(client.status() != 0, "it is not refused")
            expect(re.search("alert (protocol version|handshake failure)", client.output), client.output)
    why = "the client is too old; it offers neither TLS 1.2 nor 1.3"
    eventually(lambda: room.site.tls.output.read_text().count(why) >= 2, "the log does not say why")


@check
def tls_openssl_negotiates_ftp_and_nothing_else(room):
    for implicit in [False, True]:
        for version in ["-tls1_2", "-tls1_3"]:
            expect("ALPN protocol: ftp" in talk(room, version, "-alpn", "ftp", implicit=implicit), "no ALPN")
            expect("ALPN protocol: ftp" in talk(room, version, "-alpn", "h2,ftp", implicit=implicit), "no ALPN")
            expect("No ALPN negotiated" in talk(room, version, implicit=implicit), "ALPN out of nothing")
            with Client(room, version, "-alpn", "h2", implicit=implicit) as client:
                expect(client.status() != 0, "it is not refused")
                expect("alert no application protocol" in client.output, client.output)


@check
def tls_openssl_resumes_its_session(room):
    for version in ["-tls1_2", "-tls1_3"]:
        said = talk(room, version, "-sess_out", "session")
        expect("New, TLSv1" in said, said)
        for _ in range(2):
            said = talk(room, version, "-sess_in", "session")
            expect("Reused, TLSv1" in said, said)
        expect("Reused, TLSv1" in talk(room, version, "-sess_in", "session", implicit=True), "not on the other port")


@check
def tls_openssl_resumes_its_session_without_tickets(room):
    """TLS 1.2 with session ids, which hold for data connections only."""
    said = talk(room, "-tls1_2", "-no_ticket", "-sess_out", "session")
    expect("New, TLSv1" in said and re.search(r"Session-ID: [0-9A-F]{64}", said), said)
    talk(room, "-tls1_2", "-no_ticket", "-sess_in", "session")


@check
def tls_openssl_sees_each_cipher(room):
    for version, ciphers in {
        "-tls1_2": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"],
        "-tls1_3": ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
    }.items():
        for cipher in ciphers:
            said = talk(room, version, "-cipher" if version == "-tls1_2" else "-ciphersuites", cipher)
            expect(f"Cipher is {cipher}" in said, said)
    with Client(room, "-tls1_2", "-cipher", "AES128-SHA:AES256-SHA@SECLEVEL=0") as client:
        expect(client.status() != 0, "it is let to use RSA and CBC")


@check
def tls_curl_logs_in_with_a_client_certificate(room):
    authority = certificates.self_signed(room.here / "authority", "The checks", certificates.AUTHORITY)
    ann = certificates.of_client(room.here / "ann", "ann", authority)
    bob = certificates.of_client(room.here / "bob", "bob", authority)
    stranger = certificates.self_signed(room.here / "stranger", "Another", certificates.AUTHORITY)
    forged = certificates.of_client(room.here / "forged", "ann", stranger)
    shown = lambda certificate: ["--cert", certificate.file, "--key", certificate.key]
    file = room.local("file.bin", 300_000)
    options = ["--client-ca", authority.file, "--client-cert-login", "cn", "--auth-failed-timeout", "0"]
    with room.site.serve_tls("tls-client", *options, "--tls-session-reuse", "require") as server:
        for version in [["--tlsv1.3"], ["--tls-max", "1.2"]]:
            for scheme in ["ftp", "ftps"]:
                with_certificate = version + shown(ann)
                where = {"scheme": scheme, "server": server}
                curl(room, *with_certificate, "-T", file, url(room, **where), user="ann:")
                same(room.there / "file.bin", file)
                curl(room, *with_certificate, "-o", "got", url(room, "file.bin", **where), user="ann:")
                same(room.here / "got", file)
                (room.there / "file.bin").unlink()
            curl(room, *version, url(room, server=server))
            curl(room, *version, *shown(bob), url(room, server=server))
            for refusal in [[], shown(bob)]:
                curl(room, *version, *refusal, url(room, server=server), user="ann:", ok=(CURL_LOGIN_DENIED,))
            curl(room, *version, *shown(forged), url(room, server=server), user="ann:", ok=CURL_NO_HANDSHAKE)
    with room.site.serve_tls("tls-client-required", *options, "--client-cert-required") as server:
        for version in [["--tlsv1.3"], ["--tls-max", "1.2"]]:
            for scheme in ["ftp", "ftps"]:
                curl(room, *version, url(room, scheme=scheme, server=server), ok=CURL_NO_HANDSHAKE)
            curl(room, *version, *shown(bob), "-T", file, url(room, server=server))
            same(room.there / "file.bin", file)
            curl(room, *version, *shown(ann), "-o", "got", url(room, "file.bin", server=server), user="ann:")
            same(room.here / "got", file)


@check
def tls_openssl_sees_a_new_certificate(room):
    """Replaced as certbot does it, while a session is on."""
    old = certificates.self_signed(room.here / "served")
    new = certificates.self_signed(room.here / "renewed")
    expected = new.fingerprint()
    expect(old.fingerprint() != expected, "the certificates are the same")
    with room.site.serve_tls("tls-reload", certificate=old) as server:
        trusted = certificates.Certificate(room.here / "trusted.pem", None)
        trusted.file.write_bytes(old.file.read_bytes())
        sessions = [login(room, kind, server=server, certificate=trusted) for kind in KINDS]
        for ftp in sessions:
            five_both_ways(room, ftp)
        sessions[0].voidcmd("TYPE I")
        data = sessions[0].transfercmd("STOR file.bin")
        expect(shown_fingerprint(room, server) != expected, "it shows a certificate that it has not read")
        os.replace(new.file, old.file)
        os.replace(new.key, old.key)
        for port in [server.port, server.implicit_port]:
            found = shown_fingerprint(room, server, port)
            expect(found == expected, f"port {port} shows {found}, not {expected}")
        with login(room, server=server, certificate=old) as ftp:
            put(ftp, "new.bin", noise(1_000))
        data.sendall(noise(1_000_000))
        data.unwrap()
        data.close()
        sessions[0].voidresp()
        same(room.there / "file.bin", noise(1_000_000))
        for name in ["file.bin", "new.bin"]:
            (room.there / name).unlink()
        for ftp in sessions:
            five_both_ways(room, ftp)
            ftp.quit()


def shown_fingerprint(room, server, port=None):
    with Client(room, "-showcerts", implicit=port == server.implicit_port, server=server) as client:
        client.wait_for(r"-----END CERTIFICATE-----")
        (pem,) = re.findall(r"-----BEGIN CERTIFICATE-----.*-----END CERTIFICATE-----", client.output, re.DOTALL)[:1]
    file = room.here / "shown.pem"
    file.write_text(pem)
    return certificates.Certificate(file, None).fingerprint()
