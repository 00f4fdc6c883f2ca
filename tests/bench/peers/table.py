"""The table of the README, out of what was measured."""

import math
import statistics
from collections import Counter
from itertools import takewhile
from typing import NamedTuple

OF_DJANGO = ["django-ftpd", "django-ftpserver"]
NAMES = {"proftpd": "ProFTPD", "pure-ftpd": "Pure-FTPd"}


class Figure(NamedTuple):
    """A number in a cell: where it comes from, how many decimals it has below 100, and which is the best."""

    scenario: str
    name: str
    decimals: int = 0
    best: object = None
    scale: float = 1

    def values(self, results, server):
        found = [one for one in results if (one["server"], one["scenario"]) == (server, self.scenario)]
        # Who has not greeted everybody has taken too long.
        return [one.get(self.name, math.inf) * self.scale for one in found if "error" not in one]

    def median(self, results, server):
        values = self.values(results, server)
        return statistics.median(values) if values and statistics.median(values) < math.inf else None

    def shown(self, value):
        return f"{value:,.{self.decimals if value < 100 else 0}f}"


def one(*figure):
    return [("{}", Figure(*figure))]


def up_and_down(scenario):
    return [("{}", Figure(scenario, "up_s", 0, max)), (", {}", Figure(scenario, "down_s", 0, max))]


def also_in_tls(scenario, *figure):
    return [("{}", Figure(scenario, *figure)), (" ({})", Figure(f"{scenario}-tls", *figure))]


# What each row says, and how its figures stand in a cell.
ROWS = {
    "download, CPU s for 1 GiB": one("download", "cpu_s", 2, min),
    "upload, CPU s for 1 GiB": one("upload", "cpu_s", 2, min),
    "download in TLS, CPU s for 1 GiB": one("download-tls", "cpu_s", 2, min),
    "upload in TLS, CPU s for 1 GiB": one("upload-tls", "cpu_s", 2, min),
    "download of 1 GiB, MB/s (in TLS)": also_in_tls("download", "mb_s", 0, max),
    "upload of 1 GiB, MB/s (in TLS)": also_in_tls("upload", "mb_s", 0, max),
    "uploads and downloads of 4 KiB a second, 8 sessions": up_and_down("small-8"),
    "uploads and downloads of 4 KiB a second, 1 session": up_and_down("small-1"),
    "100 sessions, downloads of 10 MiB, MB/s": one("crowd", "mb_s", 0, max),
    "the same, longest of half and of 99 of 100": [
        ("{}", Figure("crowd", "half_ms", 0, min)),
        (", {} ms", Figure("crowd", "most_ms", 0, min)),
    ],
    "logins a second, 16 clients at once": one("login", "logins_s", 0, max),
    "memory of an idle session, KiB (in TLS)": also_in_tls("idle", "each_kib", 1, min),
    "300 connect at once: greeted; 99 of 100 within": [
        ("{}", Figure("burst", "greeted", 0)),
        (", {} ms", Figure("burst", "most_ms", 0, min)),
    ],
    "LIST of 10,000 files, ms": one("list", "ms", 0, min),
    "MLSD of 10,000 files, ms": one("mlsd", "ms", 0, min),
    "memory at the start, MiB": one("start", "memory_kib", 1, min, 1 / 1024),
}
SLOW = Figure("login-slow", "logins_s", 1)


def shown(results):
    """All of it, in Markdown."""
    servers = list(dict.fromkeys(one["server"] for one in results))
    lines = [head(results, servers), "", f"| | {' | '.join(NAMES.get(server, server) for server in servers)} |"]
    lines.append(f"|---|{'---:|' * len(servers)}")
    for label, parts in ROWS.items():
        cells = row(results, servers, parts)
        if any(cells):
            lines.append(f"| {label} | {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    slow = [SLOW.shown(value) for server in OF_DJANGO if (value := SLOW.median(results, server))]
    if len(slow) == len(OF_DJANGO):
        said = "With Django's default hash it takes {} logins a second of 16 clients who have logged in lately; {} {}."
        lines += ["", said.format(slow[0], OF_DJANGO[1], slow[1])]
    return "\n".join(lines)


def head(results, servers):
    """When, where and what."""
    rounds = Counter((one["server"], one["scenario"]) for one in results).values()
    rounds = " to ".join(map(str, sorted({min(rounds), max(rounds)})))
    versions = {one["server"]: one["version"] for one in results}
    peers = ", ".join(f"{NAMES.get(server, server)} {versions[server]}" for server in servers if versions[server])
    dates = " to ".join(sorted({min(one["date"] for one in results), max(one["date"] for one in results)}))
    return f"{dates}, {results[-1]['system']}, medians of {rounds} rounds each: {peers}"


def row(results, servers, parts):
    """The cells; what is the best of all but the limit is bold."""
    best = [best_of(results, servers, figure) for _, figure in parts]
    cells = []
    for server in servers:
        values = [figure.median(results, server) for _, figure in parts]
        texts = [figure.shown(value) for (_, figure), value in zip(parts, takewhile(is_there, values), strict=False)]
        is_best = [server != "limit" and text == most for text, most in zip(texts, best, strict=False)]
        bold = [f"**{text}**" if is_it and not all(is_best) else text for text, is_it in zip(texts, is_best, strict=True)]
        cell = "".join(form.format(text) for (form, _), text in zip(parts, bold, strict=False))
        cells.append(f"**{cell}**" if texts and all(is_best) else cell)
    return cells


def is_there(value):
    return value is not None


def best_of(results, servers, figure):
    values = [figure.median(results, server) for server in servers if server != "limit"]
    values = list(filter(is_there, values))
    return figure.shown(figure.best(values)) if figure.best and values else None


def failures(results):
    """What could not be measured when it was tried last."""
    last = {(one["server"], one["scenario"]): one for one in results}
    return [f"{server}, {scenario}: {one['error']}" for (server, scenario), one in last.items() if "error" in one]


def gaps(results, server, scenarios):
    """The figures that are not there, of such a server in these scenarios."""
    figures = [figure for parts in ROWS.values() for _, figure in parts] + [SLOW]
    wanted = [figure for figure in figures if figure.scenario in scenarios]
    return [f"{server}, {figure.scenario}: no {figure.name}" for figure in wanted if figure.median(results, server) is None]
