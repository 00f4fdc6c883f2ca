"""strace as one that makes system calls fail, or take their time, in some threads of a server that runs."""

import re
import subprocess
import threading

from check import expect

CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(\w+)\(", re.MULTILINE)


class Tracer:
    """Attached from the beginning of the block to its end. `when` counts the calls of each thread from there."""

    def __init__(self, threads, calls=None, fault=None, output="/dev/null"):
        self.threads = threads
        words = ["strace", "-o", str(output)]
        if calls:
            words += ["-e", f"trace={calls}"]
        if fault:
            words += ["-e", f"inject={calls}:{fault}"]
        for thread in threads:
            words += ["-p", str(thread)]
        self.words = words

    def __enter__(self):
        self.strace = subprocess.Popen(self.words, stderr=subprocess.PIPE, text=True)
        said = []
        while sum("attached" in line or "No such process" in line for line in said) < len(self.threads):
            line = self.strace.stderr.readline()
            expect(line, f"strace does not attach: {' '.join(said)}")
            said.append(line)
        # What it says later must not fill the pipe.
        threading.Thread(target=self.strace.stderr.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.strace.terminate()
        self.strace.wait()


def calls_in(path):
    """The names of the calls that strace has written, in their order."""
    return CALL.findall(path.read_text(errors="replace"))
