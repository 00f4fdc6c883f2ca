"""Every client in every way it can speak FTP. MATRIX.md has to say what happened; UPDATE_MATRIX=1 has it written."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check import Check, check, expect
from matrix_cells import CELLS, DATA, TLS, play
from matrix_clients import CLIENTS

TABLE = Path(__file__).with_name("MATRIX.md")
AT_A_TIME = 4
WORKS, FAILS = "yes", "FAILS"
BEGIN = "<!-- what happened -->\n"

# What each client did: a row of one word for each cell.
rows = {}


def plays(client):
    """A check: all cells that the client can do."""

    def cells(room):
        site = room.site
        client.prepare(site)
        # They are started before there are several threads.
        site.both_families, site.tls_both_families
        wanted = [cell for cell in CELLS if client.lack(cell) is None]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            whys = dict(zip(wanted, pool.map(lambda cell: why_not(site, client, cell), wanted)))
        rows[client.name] = [word(client, cell, whys) for cell in CELLS]
        failures = [f"{cell}: {why}" for cell, why in whys.items() if why]
        expect(not failures, "; ".join(failures))

    cells.__name__ = f"matrix_{client.name.lower().replace(' ', '_')}"
    return cells


def why_not(site, client, cell):
    return Check(lambda _: play(site, client, cell)).run(lambda _: None)


def word(client, cell, whys):
    lack = client.lack(cell)
    if lack:
        return f"— {reasons().index(lack) + 1}"
    return FAILS if whys[cell] else WORKS


def reasons():
    found = [client.lack(cell) for client in CLIENTS for cell in CELLS]
    return list(dict.fromkeys(lack for lack in found if lack))


def table():
    """The rows as Markdown, a table for each way of TLS."""
    lines = []
    width = max(map(len, rows))
    for number, tls in enumerate(TLS):
        title = "Without TLS" if tls == "plain" else f"{tls.capitalize()} TLS"
        head = [f"{data} {family}" for data, family in DATA]
        lines += [f"### {title}", "", row("", head, width), row("-" * width, ["-" * len(each) for each in head], width)]
        first = number * len(DATA)
        lines += [row(name, words[first : first + len(DATA)], width) for name, words in rows.items()]
        lines.append("")
    return "\n".join(lines)


def row(name, words, width):
    return f"| {name:<{width}} | " + " | ".join(f"{each:<9}" for each in words) + " |"


def footnotes():
    return "".join(f"{number}. {reason}\n" for number, reason in enumerate(reasons(), 1))


for client in CLIENTS:
    check(plays(client))


@check
def matrix_is_the_one_that_is_written_down(room):
    missing = [client.name for client in CLIENTS if client.name not in rows]
    expect(not missing, f"these clients were not tried: {', '.join(missing)}")
    happened = f"\n{table()}\n{footnotes()}"
    print(happened, flush=True)
    head, _, written = TABLE.read_text().partition(BEGIN)
    if os.environ.get("UPDATE_MATRIX"):
        TABLE.write_text(head + BEGIN + happened)
    else:
        expect(written == happened, f"{TABLE.name} says something else; UPDATE_MATRIX=1 writes what happened")
