"""Each system call of a session fails once, in every place where it is made: strace injects the error."""

from collections import Counter

from check import check, expect, noise
from client import Client, number
from tracer import Tracer, calls_in

# These end what they are given whatever they answer, or can't fail, or failing they would be another fault than that of a
# system that is short of something.
SPARED = {"close", "munmap", "exit", "exit_group", "futex", "restart_syscall", "madvise", "mprotect", "rseq", "gettid"}
SPARED |= {"rt_sigprocmask", "rt_sigreturn", "sigaltstack", "set_robust_list", "sched_yield", "prctl", "getpid", "geteuid"}
# Without memory for an allocation, the process ends: that is another check.
SPARED |= {"mmap", "brk", "mremap"}
ERRORS = {
    **dict.fromkeys(["openat", "openat2", "open"], ["EIO", "EMFILE", "ENOSPC"]),
    **dict.fromkeys(["write", "pwrite64", "splice", "ftruncate", "fsync", "fdatasync"], ["EIO", "ENOSPC"]),
    **dict.fromkeys(["linkat", "renameat", "renameat2", "mkdirat"], ["EIO", "ENOSPC"]),
    **dict.fromkeys(["socket", "accept4", "accept", "dup", "fcntl", "pipe2", "eventfd2"], ["EMFILE"]),
    **dict.fromkeys(["bind"], ["EADDRINUSE"]),
    **dict.fromkeys(["listen", "setsockopt", "getsockopt", "poll", "ppoll", "getsockname", "getpeername"], ["ENOMEM"]),
    **dict.fromkeys(["sendto", "recvfrom", "recvmsg", "sendmsg", "shutdown"], ["ECONNRESET"]),
    **dict.fromkeys(["flock"], ["ENOLCK"]),
    **dict.fromkeys(["clone", "clone3"], ["EAGAIN"]),
    **dict.fromkeys(["ioctl"], ["ENOTTY"]),
    **dict.fromkeys(["getrandom"], ["EINTR"]),
}
OLD, NEW = noise(70_000, "old"), noise(300_000, "new")


class Deed:
    """Something a client does with a file `name`, and what may have become of it."""

    # What is there before, and what when it is acknowledged; None: nothing.
    before, after = OLD, OLD
    # The event that says it was done.
    is_received = False

    def prepare(self, host, name):
        for path in host.home.iterdir():
            path.rmdir() if path.is_dir() else path.unlink()
        if self.before is not None:
            (host.home / name).write_bytes(self.before)

    def do(self, client, name):
        """The last code."""
        raise NotImplementedError

    def judge(self, host, name, code):
        """Done and acknowledged, or not done; done and not heard of only where nothing at all was heard."""
        path = host.home / name
        content = path.read_bytes() if path.is_file() else None
        if 200 <= code < 300:
            expect(content == self.after, f"it is acknowledged with {code}, and not done: {length(content)}")
        elif code:
            expect(self.is_undone(content), f"it is refused with {code}, and not undone: {length(content)}")
        else:
            expect(content == self.after or self.is_undone(content), f"it is half done: {length(content)}")

    def is_undone(self, content):
        return content == self.before


class Store(Deed):
    before, after, is_received = None, NEW, True

    def do(self, client, name):
        return client.upload(f"STOR {name}", NEW)


class Replace(Store):
    before = OLD

    def judge(self, host, name, code):
        """The second thing that is synced is the directory. The old file is gone then, and the new one is whole."""
        if name.startswith("fsync-") and name.endswith("-2"):
            expect(code in (451, 452), f"it is answered with {code}")
            return super().judge(host, name, 226)
        super().judge(host, name, code)


class Append(Deed):
    before, after, is_received = OLD, OLD + NEW, True

    def do(self, client, name):
        return client.upload(f"APPE {name}", NEW)

    def is_undone(self, content):
        """It is written in place: some of it may be there."""
        return content is not None and self.after.startswith(content) and len(content) >= len(OLD)


class Retrieve(Deed):
    def do(self, client, name):
        code, content = client.download(f"RETR {name}")
        expect(code != 226 or content == OLD, f"226, and {len(content)} bytes have come, or other ones")
        return code


class List(Deed):
    command = "LIST"

    def do(self, client, name):
        code, content = client.download(self.command)
        expect(code != 226 or name.encode() in content, f"226, and the file is not in it: {content!r}")
        return code


class ListForMachines(List):
    command = "MLSD"


class Look(Deed):
    def do(self, client, name):
        size, modified = client.say(f"SIZE {name}"), client.code(f"MDTM {name}")
        expect(number(size) != 213 or size == f"213 {len(OLD)}", f"the size is {size}")
        return max(number(size), modified)


class Remove(Deed):
    after = None

    def do(self, client, name):
        return client.code(f"DELE {name}")


class Rename(Deed):
    """Moved to another name and back."""

    def do(self, client, name):
        if client.code(f"RNFR {name}") != 350:
            return client.code(f"SIZE {name}") and 550
        return client.code(f"RNTO {name}-moved")

    def judge(self, host, name, code):
        found = {path.name.removeprefix(name) for path in host.home.iterdir()}
        wanted = [{"-moved"}] if 200 <= code < 300 else [{""}] if code else [{""}, {"-moved"}]
        expect(found in wanted, f"{code}, and there is {found}")


class Directory(Deed):
    before = after = None

    def do(self, client, name):
        made = client.code(f"MKD {name}")
        self.made, self.removed = made, client.code(f"RMD {name}") if made else 0
        return self.removed

    def judge(self, host, name, code):
        is_there = (host.home / name).is_dir()
        if self.made == 257 and self.removed:
            expect(is_there == (self.removed != 250), f"{self.made}, {self.removed}, and it is there: {is_there}")
        elif self.made and self.made != 257:
            expect(not is_there, f"MKD is answered with {self.made}, and the directory is there")


class Login(Deed):
    is_before_login = True

    def do(self, client, name):
        return client.code("USER ann") and client.code("PASS ann-secret")


def length(content):
    return "nothing is there" if content is None else f"{len(content)} bytes are there"


def suffer(host, deed):
    """The deed without a fault, to see its calls; then again with each of them failing."""
    host.serve(auth_failed_timeout=0, max_login_attempts=100, ban_failures=0, sync_uploads=True)
    before = host.at_rest()
    calls = attempt(host, deed, "whole")
    expect(calls, "strace has seen nothing")
    places = Counter(call for call in calls if call not in SPARED)
    outcomes, recorded, unheard = Counter(), set(), set()
    for call, count in places.items():
        errors = ERRORS.get(call, ["EIO"])
        for error in errors:
            for place in range(1, count + 1):
                name = f"{call}-{error}-{place}"
                code = attempt(host, deed, name, call, f"error={error}:when={place}")
                outcomes["done" if 200 <= code < 300 else "refused" if code else "hung up on"] += 1
                (recorded if 200 <= code < 300 else unheard if not code else set()).add(name)
                expect(host.is_alive(), f"{name}: the server has ended: {host.last_log()}")
                leftovers(host, name, call)
    host.serves()
    host.rested(before)
    if deed.is_received:
        received = {name for name in host.received() if name != "witness"} - {"whole"}
        expect(recorded <= received, f"acknowledged, and not in the journal: {recorded - received}")
        expect(received <= recorded | unheard, f"in the journal, and refused: {received - recorded - unheard}")
    host.note(f"{sum(outcomes.values())} faults: " + ", ".join(f"{count} {what}" for what, count in outcomes.items()))


def attempt(host, deed, name, call=None, fault=None):
    """What the client was told last; without a fault, the calls that were made."""
    deed.prepare(host, name)
    record = host.path("calls")
    with Client(host.port) as client:
        if not getattr(deed, "is_before_login", False):
            expect(client.login(), f"{name}: nobody can log in: {host.last_log()}")
        with Tracer(host.threads("session"), call, fault, record):
            code = deed.do(client, name)
            client.say("QUIT") if code else client.close()
        try:
            deed.judge(host, name, code)
        except Exception as failure:
            raise type(failure)(f"{name}: {failure}")
    if fault is None:
        expect(200 <= code < 300, f"without a fault it is answered with {code}")
        return calls_in(record)
    return code


def leftovers(host, name, call):
    """Only where it could not be removed is something left."""
    left = host.leftovers()
    if left and call in ("unlinkat", "unlink"):
        return host.swept()
    expect(not left, f"{name}: {len(left)} temporary files are left")


DEEDS = {
    "an_upload": Store(),
    "an_upload_over_a_file": Replace(),
    "an_upload_in_place": Append(),
    "a_download": Retrieve(),
    "a_listing": List(),
    "a_listing_for_machines": ListForMachines(),
    "looking_at_a_file": Look(),
    "removing_a_file": Remove(),
    "renaming_a_file": Rename(),
    "making_and_removing_a_directory": Directory(),
    "a_login": Login(),
}


def suffers(what, deed):
    """A check: the deed, with one error after the other."""

    def errors(host):
        suffer(host, deed)

    errors.__name__ = f"every_error_in_{what}_is_told"
    return errors


for what, deed in DEEDS.items():
    check(suffers(what, deed))
