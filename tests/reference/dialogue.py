"""What is said to both servers: a file of lines for each dialogue, and how a client says them.

A line is sent as it stands; `\\xNN` is a byte, `{user}` the dialogue's own user. What a line does beyond being sent:

- LIST, NLST, MLSD, RETR, STOR, APPE, STOU have a passive data connection, made after the preliminary reply; with `!`
  before the line, the client asks for none and makes none
- PASV, EPSV and `PORT {active}`, `EPRT {active}` are for the next of these
- AUTH and PROT do what they ask for, if the server agrees

Lines with `@` are for the client: `@permission LETTERS` and `@each LETTER …` (the whole dialogue once for each) say
what the user may do, `@tls` picks the servers with a certificate, `@stranger` begins without a login, `@outside` and
`@homeless` are about the home, `@connect` begins anew.
"""

import re
import socket
import ssl
from typing import NamedTuple

DATA = ["LIST", "NLST", "MLSD", "RETR", "STOR", "APPE", "STOU"]
UPLOADS = ["STOR", "APPE", "STOU"]
OPTIONS = ["@permission", "@each", "@tls", "@stranger", "@outside", "@homeless"]
UPLOADED = b"uploaded\r\n"
SECONDS = 10
SILENCE_SECONDS = 1


class Dialogue(NamedTuple):
    name: str
    permission: str
    options: frozenset
    lines: list


class Answer(NamedTuple):
    """To one line: its replies, and the bytes of the data connection."""

    line: str
    codes: list
    texts: list
    data: bytes | None


def all_of(directory):
    found = []
    for path in sorted(directory.glob("*.txt")):
        options, lines, name = {}, [], path.stem
        for line in path.read_text(encoding="utf-8").splitlines():
            word, _, rest = line.partition(" ")
            if word in OPTIONS:
                options[word] = rest
            elif line and not line.startswith("#"):
                lines.append(line)
        each = options.pop("@each", "").split()
        permission = options.pop("@permission", "elradfmwMT")
        for letter in each:
            found.append(Dialogue(f"{name}-{letter}", letter, frozenset(options), lines))
        if not each:
            found.append(Dialogue(name, permission, frozenset(options), lines))
    return found


class Client:
    """Says a dialogue to one server."""

    def __init__(self, port, dialogue, taken):
        self.port = port
        self.user = dialogue.name
        self.answers = []
        # Of all its connections: by them, events are known, so that none may come twice.
        self.ports = []
        self.taken = taken
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.control = self.listener = None

    def play(self, dialogue):
        self.connect()
        if "@stranger" not in dialogue.options:
            for line in ["USER {user}", "PASS {user}-secret"]:
                self.command(line)
        for line in dialogue.lines:
            if line == "@connect":
                self.connect()
            else:
                self.answers.append(self.say_or_tell(line))
        self.close()
        return self

    def say_or_tell(self, line):
        try:
            return self.say(line)
        except OSError as error:
            raise RuntimeError(f"port {self.port}, {self.user}: {line}: {error!r}") from error

    def connect(self):
        self.close()
        self.control = self.socket_of_its_own()
        self.control.connect(("127.0.0.1", self.port))
        self.ports.append(self.control.getsockname()[1])
        self.forget_listener()
        self.data_address = None
        self.is_private = False
        self.buffered = b""
        self.reply()

    def close(self):
        if self.control:
            self.control.close()

    def socket_of_its_own(self):
        while True:
            found = socket.socket()
            found.settimeout(SECONDS)
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
            if port not in self.taken:
                self.taken.add(port)
                return found
            found.close()

    def say(self, line):
        without_data = line.startswith("!")
        verb = line.partition(" ")[0].upper()
        if verb in DATA and not self.data_address and not self.listener:
            self.prepare(self.command("EPSV"))
        code, text = self.command(line.removeprefix("!"))
        codes, texts, data = [code], [text], None
        if code == "234":
            self.control = self.context.wrap_socket(self.control)
        elif verb == "PROT" and code == "200":
            self.is_private = line.upper().endswith("P")
        elif code[0] == "1":
            can_transfer = not without_data and (self.listener or self.data_address)
            data = self.transfer(verb) if can_transfer else None
            code, text = self.reply(SECONDS if can_transfer else SILENCE_SECONDS)
            codes.append(code)
            texts.append(text)
        elif "{active}" in line and code != "200":
            self.forget_listener()
        elif "{active}" in line:
            self.data_address = None
        else:
            self.prepare((code, text))
        return Answer(line, codes, texts, data)

    def prepare(self, reply):
        """What the next transfer will use is what the server agreed to last."""
        code, text = reply
        if code in ["227", "229"]:
            self.forget_listener()
            high, low = re.search(r"\((?:\|\|\||\d+,\d+,\d+,\d+,(?=\d+,))(?:(\d+),)?(\d+)\|?\)", text).groups("0")
            self.data_address = ("127.0.0.1", int(high) * 256 + int(low))

    def transfer(self, verb):
        """The bytes that came, or were sent."""
        if self.listener:
            connection = self.listener.accept()[0]
        else:
            connection = socket.create_connection(self.data_address, timeout=SECONDS)
        self.forget_listener()
        self.data_address = None
        connection.settimeout(SECONDS)
        with self.context.wrap_socket(connection) if self.is_private else connection as connection:
            if verb in UPLOADS:
                connection.sendall(UPLOADED)
                if self.is_private:
                    connection.unwrap()
                return None
            received = b""
            while some := connection.recv(65536):
                received += some
            return received

    def active(self, verb):
        """A port to come to, as PORT and EPRT write it."""
        self.forget_listener()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(SECONDS)
        port = self.listener.getsockname()[1]
        return f"|1|127.0.0.1|{port}|" if verb == "EPRT" else f"127,0,0,1,{port // 256},{port % 256}"

    def forget_listener(self):
        if self.listener:
            self.listener.close()
        self.listener = None

    def command(self, line):
        """Its first reply: the code and the text, which can be of many lines."""
        line = line.replace("{user}", self.user)
        if "{active}" in line:
            line = line.replace("{active}", self.active(line.partition(" ")[0]))
        raw = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), line.encode())
        try:
            self.control.sendall(raw + b"\r\n")
        except OSError:
            return "closed", ""
        return self.reply()

    def reply(self, seconds=SECONDS):
        self.control.settimeout(seconds)
        try:
            first = self.line()
        except TimeoutError:
            return "silence", ""
        if first is None:
            return "closed", ""
        lines, end = [first], first[:3] + " "
        while first[3:4] == "-" and not lines[-1].startswith(end):
            lines.append(self.line() or end)
        return first[:3], "\n".join([first[4:], *lines[1:]])

    def line(self):
        """None: the server is gone."""
        while b"\r\n" not in self.buffered:
            try:
                some = self.control.recv(65536)
            except ConnectionError:
                some = b""
            if not some:
                return None
            self.buffered += some
        line, _, self.buffered = self.buffered.partition(b"\r\n")
        return line.decode("utf-8", "backslashreplace")
