"""Sessions of Python's ftplib in TLS: as it is, with session reuse, implicit, and one that breaks its word."""

import ftplib
import socket
import ssl

from check import TOO_LONG, expect

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class Plain(ftplib.FTP_TLS):
    """ftplib as it is: each data connection has a TLS session of its own."""


class Reusing(ftplib.FTP_TLS):
    """Data connections resume the TLS session of the control connection."""

    def ntransfercmd(self, cmd, rest=None):
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            session = self.sock.session
            data = self.context.wrap_socket(data, server_hostname=self.host, session=session)
            expect(data.session_reused, "the data connection did not resume the session")
        return data, size


class Implicit(ftplib.FTP_TLS):
    """TLS comes before the greeting."""

    def connect(self, host, port):
        raw = socket.create_connection((host, port), TOO_LONG)
        self.host, self.port, self.af = host, port, raw.family
        self.sock = self.context.wrap_socket(raw, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def login(self, *arguments, **options):
        return super().login(*arguments, secure=False, **options)


class Careless(ftplib.FTP_TLS):
    """Says PROT P and connects in the clear."""

    def ntransfercmd(self, cmd, rest=None):
        return ftplib.FTP.ntransfercmd(self, cmd, rest)


KINDS = [Plain, Reusing]


def trusting(certificate, version=None):
    context = ssl.create_default_context(cafile=certificate.file)
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


def connect(room, kind=Plain, server=None, version=None, port=None, certificate=None):
    server = server or room.site.tls
    ftp = kind(context=trusting(certificate or room.site.certificate, version), timeout=TOO_LONG)
    ftp.connect(server.host, port or (server.implicit_port if kind is Implicit else server.port))
    return ftp


def login(room, kind=Plain, **where):
    """A binary session in the room's directory, data in TLS."""
    ftp = connect(room, kind, **where)
    ftp.login("ann", "ann-secret")
    ftp.prot_p()
    ftp.voidcmd("TYPE I")
    ftp.cwd(room.path)
    return ftp
