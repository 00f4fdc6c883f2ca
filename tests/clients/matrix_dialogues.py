"""Plays what a client says, from a file: for each command the reply that the client needs to go on.

A line is `[WHEN:] COMMAND = CODE[|CODE]`, where WHEN is a word of the cell. `DATA` stands for the cell's PASV, EPSV,
PORT or EPRT, and `{path}` for its directory; `handshake` is TLS on the control connection. LIST and MLSD, STOR, RETR
have a second code for the end, and move what the cell asks for. Data connections resume the TLS session, as those
clients have it.
"""

import re
import socket
import ssl

from check import Failure, expect


def play(file, place):
    with Session(place) as session:
        for line in file.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                session.line(line.strip())
    return session.listing


class Session:
    def __init__(self, place):
        self.place = place
        self.listing = ""
        self.control = socket.create_connection((place.host, place.port), 30)
        self.context = ssl.create_default_context(cafile=place.authority) if place.authority else None

    def __enter__(self):
        if self.place.cell.tls == "implicit":
            self._handshake()
        else:
            self.replies = self.control.makefile("rb")
        self._reply("220")
        return self

    def __exit__(self, *exception):
        self.control.close()

    def line(self, line):
        when, _, line = line.rpartition(": ")
        if when and when not in self.place.cell.words:
            return
        command, _, code = line.rpartition(" = ")
        command = command.strip().format(path=self.place.path)
        if line == "handshake":
            self._handshake()
        elif command == "DATA":
            self._prepare(code)
        elif command.split()[0] in ("LIST", "MLSD", "STOR", "RETR"):
            self._transfer(command, code)
        else:
            self._say(command, code)

    def _say(self, command, code):
        self.control.sendall(f"{command}\r\n".encode())
        return self._reply(code, command)

    def _reply(self, code, command="the greeting"):
        """The last line of a reply, which has to begin with one of the codes."""
        first = line = self.replies.readline().decode(errors="surrogateescape")
        while re.match(r"\d{3}-", first) and not line.startswith(f"{first[:3]} "):
            line = self.replies.readline().decode(errors="surrogateescape")
            expect(line, f"the connection ends in the reply to {command}")
        expect(line.startswith(tuple(code.split("|"))), f"{command} is answered with {line.strip()!r}, not {code}")
        return line

    def _handshake(self):
        self.control = self.context.wrap_socket(self.control, server_hostname=self.place.host)
        self.replies = self.control.makefile("rb")

    def _prepare(self, code):
        cell, self.listener = self.place.cell, None
        if cell.passive:
            reply = self._say(cell.data, code)
            if cell.data == "PASV":
                numbers = re.search(r"\((\d+,\d+,\d+,\d+),(\d+),(\d+)\)", reply)
                expect(numbers and numbers[1].replace(",", ".") == self.place.host, f"a wrong address in {reply}")
                port = int(numbers[2]) * 256 + int(numbers[3])
            else:
                port = int(re.search(r"\(\|\|\|(\d+)\|\)", reply)[1])
            self.data = socket.create_connection((self.place.host, port), 30)
        else:
            family = socket.AF_INET6 if ":" in self.place.host else socket.AF_INET
            self.listener = socket.create_server((self.place.host, 0), family=family)
            self.listener.settimeout(30)
            port = self.listener.getsockname()[1]
            if cell.data == "PORT":
                argument = f"{self.place.host.replace('.', ',')},{port // 256},{port % 256}"
            else:
                argument = f"|2|{self.place.host}|{port}|"
            self._say(f"{cell.data} {argument}", code)

    def _transfer(self, command, code):
        first, last = code.split()
        self._say(command, first)
        if self.listener:
            self.data, _ = self.listener.accept()
            self.listener.close()
        if self.context:
            self.data = self.context.wrap_socket(
                self.data, server_hostname=self.place.host, session=self.control.session
            )
            expect(self.data.session_reused, "the data connection did not resume the session")
        verb = command.split()[0]
        if verb == "STOR":
            self.data.sendall((self.place.here / "up.bin").read_bytes())
            if self.context:
                self.data.unwrap()
        else:
            received = b"".join(iter(lambda: self.data.recv(65536), b""))
            if verb == "RETR":
                (self.place.here / "down.bin").write_bytes(received)
            else:
                self.listing += received.decode(errors="surrogateescape")
        self.data.close()
        self._reply(last, command)
