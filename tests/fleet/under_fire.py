"""What holds when a node of the store and an FTP node are killed during fifty transfers. The checks follow one another: the
first one runs the transfers, the last ones start the killed nodes again."""

import ftplib

from check import check, eventually, expect
from fleet import EXAMPLES, FTP_PORT, LOGIN
from host import run
from storm import LONGEST, SILENCE, Transfer, move


def names(transfers):
    return ", ".join(f"{transfer.name} ({transfer.size} bytes)" for transfer in transfers)


@check
def fleet_examples_are_understood(fleet):
    """As they are, and as they are used here."""
    for file in [EXAMPLES / "store.cfg", fleet.file, *(node.store for node in fleet.nodes)]:
        run("haproxy", "-c", "-f", file)
    for node in fleet.nodes:
        said = run(fleet.binary, "check", "--config", node.file)
        expect("FAULT" not in said, said)


@check
def fleet_acknowledges_all_transfers_in_the_end(fleet):
    storm = fleet.storm
    late = [transfer for transfer in storm.all if not transfer.is_acknowledged()]
    expect(not late, f"{names(late)}: {late and late[0].last.trouble!r}")
    wrong = [transfer for transfer in storm.downloads if not transfer.is_right]
    expect(not wrong, f"other bytes came of {names(wrong)}")
    size = sum(transfer.size for transfer in storm.all)
    fleet.note(f"{len(storm.uploads)} uploads, {len(storm.downloads)} downloads, {size >> 20} MiB in {storm.seconds:.1f} s")


@check
def fleet_loses_nodes_in_the_middle(fleet):
    """The test itself: both kills met transfers, and clients felt it."""
    storm = fleet.storm
    for what, (node, on) in storm.killed.items():
        expect(on, f"nothing was on when {node.name} was killed")
        fleet.note(f"{len(on)} transfers on when {node.name} was killed")
    cut = [attempt for attempt in storm.killed["ftp"][1] if attempt.trouble]
    expect(len(cut) >= 2, f"only {len(cut)} clients noticed that {storm.killed['ftp'][0].name} was killed")
    attempts = sum(len(transfer.attempts) for transfer in storm.all)
    fleet.note(f"{attempts} attempts")


@check
def fleet_lets_no_client_hang(fleet):
    attempts = [attempt for transfer in fleet.storm.all for attempt in transfer.attempts]
    hung = [attempt for attempt in attempts if isinstance(attempt.trouble, TimeoutError)]
    expect(not hung, f"{len(hung)} clients heard nothing for {SILENCE} s")
    longest = max(transfer.seconds() for transfer in fleet.storm.all)
    expect(longest < LONGEST, f"one took {longest:.1f} s")
    slowest = max(attempt.ended - attempt.began for attempt in attempts)
    fleet.note(f"longest attempt {slowest:.1f} s, longest transfer {longest:.1f} s, of {LONGEST} s")


@check
def fleet_never_shows_a_part_for_the_whole(fleet):
    """Asked of the store itself when an upload had failed, before it was tried again, and in the end."""
    storm = fleet.storm
    failed = [(each, attempt) for each in storm.uploads for attempt in each.attempts if attempt.trouble]
    at_once = [attempt.was_whole for _, attempt in failed]
    later = [storm.is_whole(each, attempt) for each, attempt in failed]
    expect(False not in at_once + later, f"there is a part: {[attempt.name for _, attempt in failed]}, {at_once}, {later}")
    fleet.note(f"{len(failed)} uploads failed, of which {at_once.count(None)} were not there, and the others whole")


@check
def fleet_has_every_acknowledged_upload_in_the_store(fleet):
    wrong = [transfer for transfer in fleet.storm.uploads if not fleet.storm.is_whole(transfer)]
    expect(not wrong, f"not there, or not whole: {names(wrong)}")


@check
def fleet_reads_every_acknowledged_upload_by_the_node_that_is_left(fleet):
    with ftplib.FTP(timeout=SILENCE) as ftp:
        ftp.connect(fleet.address, FTP_PORT)
        expect("ftp2" in ftp.getwelcome(), ftp.getwelcome())
        ftp.login(*LOGIN)
        wrong = [transfer for transfer in fleet.storm.uploads if not comes_back(ftp, transfer)]
        expect(not wrong, f"other bytes came of {names(wrong)}")


def comes_back(ftp, upload):
    data = bytearray()
    ftp.retrbinary(f"RETR {upload.last.name}", data.extend)
    return data == upload.data()


@check
def fleet_journals_agree_with_the_clients(fleet):
    """Also that of the killed node: each transfer that was acknowledged has its event there, with the client's own address."""
    for kind, transfers in [("received", fleet.storm.uploads), ("sent", fleet.storm.downloads)]:
        told = {
            (node.name, event["virtual_path"], event["bytes"], event["remote_ip"])
            for node in fleet.nodes
            for event in node.events(f"ftp_file_{kind}")
        }
        expected = {(each.last.node, f"/{each.last.name}", each.size, each.address) for each in transfers}
        expect(expected <= told, f"no journal has {sorted(expected - told)}")
    fleet.note(", ".join(f"{node.name}: {len(node.events('ftp_file_received'))} received" for node in fleet.nodes))


@check
def fleet_journals_tell_of_nothing_that_is_not_there(fleet):
    uploads = fleet.storm.uploads + fleet.storm.there
    sizes = {f"/{attempt.name}": upload.size for upload in uploads for attempt in upload.attempts}
    for node in fleet.nodes:
        events = node.events("ftp_file_received")
        wrong = [event for event in events if sizes[event["virtual_path"]] != event["bytes"]]
        expect(not wrong, f"{node.name} has received {wrong}")


@check
def fleet_leaves_parts_of_the_killed_node_alone(fleet):
    """Nobody can remove them at once: the lifecycle rule does."""
    storm = fleet.storm
    cut = {attempt.key() for attempt in storm.killed["ftp"][1]}
    # The answer to the very beginning of an upload may have been lost with the store's node: that has no parts.
    begun = {attempt.key() for attempt in storm.killed["store"][1]}
    left = []

    def others():
        left[:] = storm.s3.list_multipart_uploads(Bucket="media").get("Uploads", [])
        return [upload["Key"] for upload in left if upload["Key"] not in cut and not is_empty(upload)]

    def is_empty(upload):
        which = {"Bucket": "media", "Key": upload["Key"], "UploadId": upload["UploadId"]}
        return upload["Key"] in begun and not storm.s3.list_parts(**which).get("Parts")

    eventually(lambda: not others(), "there are parts of others")
    fleet.note(f"{len(storm.parts)} uploads had parts when it was killed, {len(left)} in the end")
    rule = {"ID": "parts", "Status": "Enabled", "Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    storm.s3.put_bucket_lifecycle_configuration(Bucket="media", LifecycleConfiguration={"Rules": [rule]})
    fleet.garage.nodes[-1].garage("bucket", "cleanup-incomplete-uploads", "--older-than", "0s", "media")
    expect(not storm.s3.list_multipart_uploads(Bucket="media").get("Uploads"), "there are uploads left")


@check
def fleet_takes_the_killed_node_of_the_store_back(fleet):
    """Within a minute it has what was stored without it."""
    node, _ = fleet.storm.killed["store"]
    fleet.garage.take_back(node)
    s3 = fleet.garage.s3(node)
    for transfer in fleet.storm.uploads:
        is_there = lambda: fleet.storm.is_whole(transfer, s3=s3) is not None
        eventually(is_there, f"{transfer.name} is not there", patience=LONGEST)
        expect(fleet.storm.is_whole(transfer, s3=s3), f"{transfer.name} is another one there")


@check
def fleet_takes_the_killed_ftp_node_back(fleet):
    """It counts its events on, and clients get it again."""
    node, _ = fleet.storm.killed["ftp"]
    before = node.events("ftp_file_received")[-1]["seq"]
    node.start()
    fleet.wait_for({each.name for each in fleet.nodes})
    for _ in range(10):
        with ftplib.FTP(timeout=SILENCE) as ftp:
            ftp.connect(fleet.address, FTP_PORT)
            if node.name not in ftp.getwelcome():
                continue
            ftp.login(*LOGIN)
            transfer = Transfer("again", 20_000_000, True)
            transfer.begin()
            move(ftp, transfer)
            expect(fleet.storm.is_whole(transfer), "what it took is not there")
            event = node.events("ftp_file_received")[-1]
            expect(event["virtual_path"] == "/again" and event["seq"] > before, event)
            return
    raise AssertionError(f"no client came to {node.name}")
