"""The journal of django-ftpd: its events in order, after a saved position, from the file and those it was rotated to."""

import gzip
import json
import logging
import os
import re
import time

logger = logging.getLogger(__name__)

# What rotation puts behind the name: .1, .2.gz, -20260102, .2026-01-02T03.
ROTATED = re.compile(r"[.-](\d[\d._T-]*?)(\.gz)?")
# Far more than an event with the longest names.
LONGEST_LINE = 1 << 20
# For a file that is being renamed right now.
SEARCH_SECONDS = 0.3


class PositionError(Exception):
    """A position that is none."""


class Position:
    """The last event that was handled, and where its line is."""

    def __init__(self, path):
        self.path = path
        self.seq = 0
        # The latest time of all that was seen: a later event is new, even if the numbers have begun anew.
        self.time = ""
        self.inode = 0
        self.offset = 0
        self._saved = None

    def load(self):
        """Whether there was one."""
        try:
            with open(self.path, encoding="utf-8") as file:
                saved = json.load(file)
            self.seq, self.time = int(saved["seq"]), str(saved["time"])
            self.inode, self.offset = int(saved["inode"]), int(saved["offset"])
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError):
            raise PositionError(f"{self.path} holds no position; remove it to begin anew") from None
        self._saved = self._content()
        return True

    def save(self):
        """Under a temporary name first: a power cut leaves the old position or the new one."""
        content = self._content()
        if content == self._saved:
            return
        temporary = f"{self.path}.new"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        self._saved = content

    def _content(self):
        return json.dumps({"seq": self.seq, "time": self.time, "inode": self.inode, "offset": self.offset}) + "\n"

    def is_before(self, event):
        return event["seq"] > self.seq or event["time"] > self.time

    def move(self, event, inode, offset):
        self.seq = event["seq"]
        self.time = max(self.time, event["time"])
        self.inode = inode
        self.offset = offset


class Journal:
    """Gives each event behind the position."""

    def __init__(self, path, position):
        self.path = os.fspath(path)
        self.position = position
        self._file = None
        # Whether there is a newer file: then this one gets one more look.
        self._is_left = False
        self._has_searched = False
        self._corrupt = 0

    def next_event(self):
        """None: there is no more now. OSError: it can't be read."""
        while self._file or self._open_first():
            line = self._file.next_line()
            if line is None:
                if not self._go_on():
                    return None
                continue
            event = parse(line)
            if event is None:
                self._corrupt += 1
                logger.error("%s: a corrupt line is skipped, at byte %d: %.200r", self._file.path, self._file.start, line)
            elif self.position.is_before(event) and not self._searches(event):
                return event
        return None

    def handled(self, event):
        """The position is behind this event now."""
        self.position.move(event, self._file.inode, self._file.start)

    def exists(self):
        """Whether there is any file of it."""
        files = self._files()
        close(files, but=None)
        return bool(files)

    def skip_to_end(self):
        """Whether there was anything."""
        files = self._files()
        newest = next((file for file in reversed(files) if file.first_event()), None)
        close(files, but=newest)
        if newest is None:
            return False
        self._file = newest
        while (event := self.next_event()) is not None:
            self.handled(event)
        return True

    def close(self):
        if self._file:
            self._file.close()
            self._file = None

    def _searches(self, event):
        """Tells of events that are not there, after one more look at all files: one may have been renamed meanwhile."""
        expected = self.position.seq + 1
        if event["seq"] < expected:
            logger.warning("%s: the numbers of the events begin anew with %d", self._file.path, event["seq"])
        elif event["seq"] > expected > 1:
            if not self._has_searched and not self._corrupt:
                self._has_searched = True
                time.sleep(SEARCH_SECONDS)
                self.close()
                return True
            logger.error("%s: events %d to %d are missing", self._file.path, expected, event["seq"] - 1)
        self._has_searched = False
        self._corrupt = 0
        return False

    def _open_first(self):
        """The newest file that begins at the position or before it, else the oldest one."""
        files = self._files()
        chosen = None
        for file in reversed(files):
            first = file.first_event()
            if first is None:
                chosen = chosen or file
                continue
            chosen = file
            if not self.position.is_before(first):
                break
        close(files, but=chosen)
        if chosen and chosen.inode == self.position.inode:
            chosen.resume(self.position)
        self._take(chosen)
        return chosen is not None

    def _go_on(self):
        """At the end of a file: to the next one, if there is one."""
        if self._file.is_named(self.path):
            return False
        files = self._files()
        inodes = [file.inode for file in files]
        if self._file.inode in inodes:
            following = files[inodes.index(self._file.inode) + 1 :]
        else:
            following = [file for file in files if self._is_new(file)] or files[-1:]
        chosen = following[0] if following else None
        if chosen and not self._is_left:
            # Something may have been written between our last look and the renaming.
            self._is_left = True
            close(files, but=None)
            return True
        close(files, but=chosen)
        if chosen:
            self.close()
            self._take(chosen)
        return chosen is not None

    def _is_new(self, file):
        first = file.first_event()
        return first is not None and self.position.is_before(first)

    def _take(self, file):
        self._file = file
        self._is_left = False

    def _files(self):
        """All of them, opened, the oldest first: the order of their names, which no clock can disturb."""
        directory, name = os.path.split(self.path)
        directory = directory or "."
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            return []
        found = []
        for other in names:
            suffix = ROTATED.fullmatch(other[len(name) :]) if other.startswith(name) else None
            if other == name:
                found.append(((2, 0, ""), other))
            elif suffix and suffix[1].isdigit() and len(suffix[1]) < 6:
                found.append(((1, -int(suffix[1]), ""), other))
            elif suffix:
                found.append(((0, 0, suffix[1]), other))
        files = []
        for _, other in sorted(found):
            try:
                file = JournalFile(os.path.join(directory, other))
            except FileNotFoundError:
                continue
            if file.inode in [known.inode for known in files]:
                file.close()
            else:
                files.append(file)
        return files


class JournalFile:
    """One of its files; open, it is the same one under any name."""

    def __init__(self, path):
        self.path = path
        self._raw = open(path, "rb")
        status = os.fstat(self._raw.fileno())
        self.inode = status.st_ino
        self._device = status.st_dev
        self._is_gzipped = path.endswith(".gz")
        self._lines = gzip.GzipFile(fileobj=self._raw) if self._is_gzipped else self._raw
        # Of the line that was given last, and of the next one.
        self.start = 0
        self._end = 0

    def next_line(self):
        """None at the end; a line without its end is being written, or will be cut off."""
        while True:
            try:
                line = self._lines.readline(LONGEST_LINE)
            except (EOFError, gzip.BadGzipFile) as error:
                logger.error("%s: %s", self.path, error)
                return None
            if line.endswith(b"\n") or len(line) == LONGEST_LINE:
                self.start, self._end = self._end, self._end + len(line)
                return line
            if self._is_gzipped:
                return None
            # To the end and back forgets what was read: it may be replaced.
            size = self._raw.seek(0, os.SEEK_END)
            is_cut = size < self._end
            self._end = 0 if is_cut else self._end
            self._raw.seek(self._end)
            if not is_cut:
                return None
            logger.warning("%s: it was cut; it is read from its beginning", self.path)

    def first_event(self):
        """None: it has none."""
        event = None
        while event is None and (line := self.next_line()) is not None:
            event = parse(line)
        self._seek(0)
        return event

    def resume(self, position):
        """Goes to where the position says that its event is, if it is there."""
        self._seek(position.offset)
        line = self.next_line()
        event = line and parse(line)
        if not event or event["seq"] != position.seq:
            self._seek(0)

    def is_named(self, path):
        """Whether this is the file's name now."""
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == (self._device, self.inode)

    def close(self):
        self._lines.close()
        self._raw.close()

    def _seek(self, offset):
        self._lines.seek(offset)
        self._end = offset


def parse(line):
    """None: it is no event."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or type(event.get("seq")) is not int:
        return None
    return event if isinstance(event.get("time"), str) and isinstance(event.get("event"), str) else None


def close(files, but):
    for file in files:
        if file is not but:
            file.close()
