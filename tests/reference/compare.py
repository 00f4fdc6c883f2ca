"""What the two servers did, in a form in which it can be the same; and the page that explains where it is not."""

import datetime
import pwd
import re
import sys
from collections import Counter

NOW = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
AN_HOUR = datetime.timedelta(hours=1)
LISTED = re.compile(r"\s*([-a-z]\S{9})\s+(\d+)\s+(\S+)\s+(\S+)\s+(\d+) (\w{3} [\d ]\d [ \d:]{5}) (.*)")
FACTS = re.compile(r"\s*((?:[A-Za-z.]+=[^;]*;)+) (.*)", re.DOTALL)
TIME = re.compile(r"\d{14}(\.\d+)?")
PATHS = ["path", "path_from", "path_to"]
LISTINGS = ["LIST", "NLST", "MLSD", "STAT", "MLST"]


# What the reference's paths of these begin with: it translates them twice.
TWICE = "all: home in the paths of deletions, renames and directories | twice | once"
UNIQUE_NAME = re.compile(r"\.[a-z0-9_]{8}$")


def differences(pair, played_there, played_here):
    """Lines of the page, without their reasons."""
    found = [TWICE] if any(is_twice(event, pair.theirs) for event in pair.theirs.events()) else []
    for theirs, ours in zip(played_there, played_here):
        times = Counter()
        for their, our in zip(theirs.answers, ours.answers):
            times[their.line] += 1
            what = their.line if times[their.line] == 1 else f"{their.line} ({times[their.line]})"
            found += of_answers(f"{theirs.user}: {what}", their, our)
        found += of_events(theirs.user, events(pair.theirs, theirs), events(pair.ours, ours))
    return found


def of_answers(what, theirs, ours):
    codes = [" ".join(answer.codes) for answer in (theirs, ours)]
    if codes[0] != codes[1]:
        return [f"{what} | {codes[0]} | {codes[1]}"]
    told = [Counter(details(answer)) for answer in (theirs, ours)]
    more, less = (sorted((told[a] - told[b]).elements()) for a, b in [(0, 1), (1, 0)])
    return [f"{what} | {'; '.join(more) or 'nothing'} | {'; '.join(less) or 'nothing'}"] if more or less else []


def details(answer):
    """What is compared beside codes."""
    verb, _, rest = answer.line.lstrip("!").upper().partition(" ")
    for text in answer.texts:
        inner = text.split("\n")[1:-1]
        if "HELP" in [verb, rest] and inner:
            yield from " ".join(inner).split()
        elif inner:
            yield from map(listed, inner)
    if answer.codes == ["257"]:
        yield answer.texts[0][: answer.texts[0].rindex('"') + 1]
    elif answer.codes == ["213"] and "\n" not in answer.texts[0]:
        yield TIME.sub(recent, answer.texts[0])
    if answer.data is not None and verb in LISTINGS:
        yield from map(listed, answer.data.decode("utf-8", "backslashreplace").split("\r\n"))
    elif answer.data is not None:
        yield repr(answer.data)


def listed(line):
    """A line of LIST or of MLSD, without what has to differ, or any other."""
    if match := LISTED.fullmatch(line):
        mode, links, owner, group, size, time, name = match.groups()
        # They have names; ours have numbers, for whose system's names would they be?
        return f"{mode} {links} {number(owner)} {number(group)} {size} {recent_in_list(time)} {name}"
    if match := FACTS.fullmatch(line):
        facts = [fact.partition("=") for fact in match[1].rstrip(";").split(";")]
        # The size of a directory is the file system's.
        free = ["unique", "size"] if "type=dir" in line else ["unique"]
        plain = [f"{name}={'*' if name in free else TIME.sub(recent, value)}" for name, _, value in facts]
        return f"{';'.join(sorted(plain))}; {match[2]}"
    return re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line.strip()) if line.startswith(" ") else line


def number(owner):
    return owner if owner.isdigit() else str(pwd.getpwnam(owner).pw_uid)


def recent(match):
    time = datetime.datetime.strptime(match[0][:14], "%Y%m%d%H%M%S")
    return "NOW" if abs(NOW - time) < AN_HOUR else match[0]


def recent_in_list(time):
    if ":" not in time:
        return time
    for year in [NOW.year, NOW.year - 1]:
        if abs(NOW - datetime.datetime.strptime(f"{year} {time}", "%Y %b %d %H:%M")) < AN_HOUR:
            return "NOW"
    return time


def events(side, client):
    """Of the dialogue's connections, one after the other."""
    told = [event for event in side.events() if event.get("remote_port") in client.ports]
    told.sort(key=lambda event: client.ports.index(event["remote_port"]))
    return [shown(event, side, client.user) for event in told]


def shown(event, side, user):
    home = side.home(user)
    words = [event["event"].removeprefix("ftp_")]
    if "log" in event["event"] or "disconnected" in event["event"]:
        words.append(event.get("username") or "nobody")
    for name in PATHS:
        if name in event:
            words.append(UNIQUE_NAME.sub(".UNIQUE", event[name].replace(home * 2, home).replace(home, "~")))
    # No page takes half a surrogate pair, which is how the journal writes a byte that is not UTF-8.
    return " ".join(words).encode("utf-8", "backslashreplace").decode()


def is_twice(event, side):
    homes = side.home("")
    return any(event.get(name, "").count(homes) == 2 for name in PATHS)


def of_events(name, theirs, ours):
    counts = [Counter(theirs), Counter(ours)]
    found = []
    for event in dict.fromkeys(theirs + ours):
        if counts[0][event] != counts[1][event]:
            found.append(f"{name}: event {event} | {times(counts[0][event])} | {times(counts[1][event])}")
    if not found and theirs != ours:
        found.append(f"{name}: order of events | {', '.join(theirs)} | {', '.join(ours)}")
    return found


def times(count):
    return ["none", "one"][count] if count < 2 else str(count)


def explained(page, names):
    """The differences that the page lists of these names: its indented lines, in order."""
    lines = [line[4:] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("    ")]
    for line in lines:
        if line.count(" | ") < 2 or ": " not in line:
            sys.exit(f"{page.name}: not a difference: {line}")
    return [line for line in lines if line.partition(":")[0] in names]
