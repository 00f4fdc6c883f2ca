"""Homes in Google Cloud Storage, as gcp-storage-emulator has it: lftp, curl and rclone, bytes compared."""

import stores
from check import check, expect


def room_in_google(room):
    server, _ = stores.google(room.site)
    return stores.enter(room, server)


def nothing_is_between(room):
    _, store = stores.google(room.site)
    names = [name for name in store.objects() if not name.startswith("ftp/")]
    expect(not names, f"there is {names}")


@check
def gcs_mirrors_a_tree_there_and_back(room):
    stores.mirrors(room_in_google(room))


@check
def gcs_takes_files_of_every_number_of_parts(room):
    stores.sizes(room_in_google(room))


@check
def gcs_continues_downloads_and_uploads(room):
    stores.resumes(room_in_google(room))
    nothing_is_between(room)


@check
def gcs_has_awkward_names(room):
    stores.awkward_names(room_in_google(room))


@check
def gcs_copies_by_rclone(room):
    stores.copies(room_in_google(room))
