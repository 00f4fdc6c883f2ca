"""A client to whom everything may happen: what goes wrong is an answer of None, never an error."""

import socket
import threading

SILENCE = 30


class Client:
    def __init__(self, port, source="127.0.0.1", patience=SILENCE):
        self.source = source
        self.patience = patience
        self.buffer = b""
        self.socket = None
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), patience, (source, 0))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.socket:
            self.socket.close()

    def reply(self):
        """The last line of the next reply; None: the connection has ended. Silence is an error of the server."""
        while True:
            line, end, rest = self.buffer.partition(b"\n")
            if end:
                self.buffer = rest
                if line[3:4] == b" " and line[:3].isdigit():
                    return line.decode(errors="replace").strip()
                continue
            try:
                more = self.socket.recv(65536) if self.socket else b""
            except TimeoutError:
                raise Silent(f"no reply for {self.patience} s")
            except OSError:
                more = b""
            if not more:
                return None
            self.buffer += more

    def say(self, line):
        try:
            self.socket.sendall(f"{line}\r\n".encode())
        except (OSError, AttributeError):
            pass  # a reply may be there all the same
        return self.reply()

    def code(self, line):
        """The code of the reply, or 0."""
        return number(self.say(line))

    def login(self, name="ann"):
        """Whether that name is logged in, and bytes are taken as they are."""
        return [self.code(line) for line in (f"USER {name}", f"PASS {name}-secret", "TYPE I")] == [331, 230, 200]

    def connect(self):
        """A data connection, or None."""
        reply = self.say("EPSV")
        if number(reply) != 229:
            return None
        try:
            return socket.create_connection(("127.0.0.1", int(reply.split("|")[3])), self.patience, (self.source, 0))
        except OSError:
            return None

    def upload(self, command, content):
        """The code of the last reply, or 0."""
        data = self.connect()
        if data is None:
            return 0
        # Whether 150 comes is not known before the connection is there.
        sending = threading.Thread(target=send, args=(data, content))
        sending.start()
        code = self.code(command)
        if code != 150:
            data.close()  # what the server does not take can't be sent
        sending.join()
        data.close()
        return number(self.reply()) if code == 150 else code

    def download(self, command):
        """The code of the last reply, or 0, and the bytes."""
        data = self.connect()
        if data is None:
            return 0, b""
        with data:
            code = self.code(command)
            if code != 150:
                return code, b""
            content = b""
            try:
                while piece := data.recv(1 << 18):
                    content += piece
            except OSError:
                pass
        return number(self.reply()), content


def uploads_at_once(clients, content):
    """Begins an upload in each session, to a file with its number; call what it returns to wait for the codes."""
    codes = {}

    def work(number, client):
        codes[number] = client.upload(f"STOR {number}", content)

    threads = [threading.Thread(target=work, args=each) for each in enumerate(clients)]
    for thread in threads:
        thread.start()

    def wait():
        for thread in threads:
            thread.join()
        return [codes.get(number) for number in range(len(clients))]

    return wait


class Silent(Exception):
    """The server neither answers nor hangs up."""


def send(data, content):
    try:
        data.sendall(content)
        data.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def number(reply):
    return int(reply[:3]) if reply else 0
