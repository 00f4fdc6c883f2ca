"""Homes in S3, as Garage has it, which is a distributed store and no emulator: one node, and the same checks."""

import functools
import sys
from pathlib import Path

import stores
from check import check, expect

sys.path.append(str(Path(__file__).resolve().parent.parent / "fleet"))

from garage import Garage


@functools.cache
def garage(site):
    """A server with homes there, and the store."""
    store = Garage(site.directory, 1)
    site.servers.append(store)
    file = site.directory / "garage.conf"
    file.write_text(f'storage = "s3"\n{store.section()}part_size = "6 MB"\nparts_in_flight = 2\n')
    return site.serve("garage", options=["--config", file]), store


def room_in_garage(room):
    server, _ = garage(room.site)
    return stores.enter(room, server)


def uploads_left(room):
    _, store = garage(room.site)
    return store.unfinished()


@check
def garage_mirrors_a_tree_there_and_back(room):
    stores.mirrors(room_in_garage(room))


@check
def garage_takes_files_of_every_number_of_parts(room):
    stores.sizes(room_in_garage(room))
    expect(uploads_left(room) == 0, "there are uploads left")


@check
def garage_continues_downloads_and_uploads(room):
    stores.resumes(room_in_garage(room))
    expect(uploads_left(room) == 0, "there are uploads left")


@check
def garage_has_awkward_names(room):
    stores.awkward_names(room_in_garage(room))


@check
def garage_copies_by_rclone(room):
    stores.copies(room_in_garage(room))


@check
def garage_keeps_nothing_of_an_upload_that_breaks(room):
    stores.breaks(room_in_garage(room), lambda: uploads_left(room))
