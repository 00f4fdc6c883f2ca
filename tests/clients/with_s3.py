"""Homes in S3, as moto has it: lftp, curl and rclone, bytes compared, signatures verified, and no parts left."""

import os

import stores
from check import check, expect
from with_curl import curl, url


def room_in_s3(room):
    server, _ = stores.s3(room.site)
    return stores.enter(room, server)


def uploads_left(room):
    _, store = stores.s3(room.site)
    return store.run_with_boto("print(len(s3.list_multipart_uploads(Bucket='media').get('Uploads', [])))").strip()


@check
def s3_mirrors_a_tree_there_and_back(room):
    stores.mirrors(room_in_s3(room))


@check
def s3_takes_files_of_every_number_of_parts(room):
    stores.sizes(room_in_s3(room))
    expect(uploads_left(room) == "0", "there are uploads left")


@check
def s3_continues_downloads_and_uploads(room):
    stores.resumes(room_in_s3(room))
    expect(uploads_left(room) == "0", "there are uploads left")


@check
def s3_has_awkward_names(room):
    stores.awkward_names(room_in_s3(room))


@check
def s3_copies_by_rclone(room):
    stores.copies(room_in_s3(room))


@check
def s3_keeps_nothing_of_an_upload_that_breaks(room):
    stores.breaks(room_in_s3(room), lambda: int(uploads_left(room)))


@check
def s3_refuses_wrong_keys(room):
    server, _ = stores.s3(room.site)
    file = room.site.directory / "wrong.conf"
    right = (room.site.directory / "s3.conf").read_text()
    file.write_text(right.replace('secret_key = "', 'secret_key = "wrong'))
    with room.site.serve("wrong-keys", options=["--config", file]) as wrong:
        curl(room, "-T", room.local("file.bin"), url(room, server=wrong), ok=(9, 25))
        expect("403" in wrong.last_output(), wrong.last_output())
        expect("wrong" not in wrong.last_output().replace(os.fspath(file), ""), "the secret is in the log")
