"""The site changes its users while they are on, and both write to one database."""

import datetime
import ftplib
import re
import sqlite3
import threading
import time

from check import check, eventually, expect, noise, same
from with_ftplib import get, login, put, refused

NOTICE_SECONDS = 5
# How Django's SQLite backend writes an aware datetime.
DJANGO_DATETIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?")


@check
def django_takes_a_permission_from_a_session_that_is_on(room):
    account = room.site.add_user("gail")
    with login(room, user="gail") as ftp:
        put(ftp, "one", b"one")
        account.group.permission = "elr"
        account.group.save()
        refused(550, put, ftp, "two", b"two")
        refused(550, ftp.delete, "one")
        same(get(ftp, "one"), b"one")
        account.group.permission = "elradfmw"
        account.group.save()
        put(ftp, "two", b"two")
    same(room.site.home("gail") / "two", b"two")


@check
def django_moves_a_user_to_another_group(room):
    from django_ftpserver.models import FTPUserGroup

    account = room.site.add_user("gina")
    readers = FTPUserGroup.objects.create(name="gina-readers", permission="elr", home_dir=account.group.home_dir)
    with login(room, user="gina") as ftp:
        put(ftp, "one", b"one")
        account.group = readers
        account.save()
        refused(550, put, ftp, "two", b"two")


@check
def django_deactivates_a_user_who_is_on(room):
    account = room.site.add_user("ivan")
    ftp = login(room, user="ivan")
    account.user.is_active = False
    account.user.save()
    is_sent_away(ftp)
    refused(530, login_only, room, "ivan")
    account.user.is_active = True
    account.user.save()
    login(room, user="ivan").quit()


@check
def django_deletes_a_user_who_is_on(room):
    account = room.site.add_user("dave")
    ftp = login(room, user="dave")
    account.user.delete()
    is_sent_away(ftp)
    refused(530, login_only, room, "dave")


@check
def django_changes_a_password(room):
    account = room.site.add_user("paul")
    login(room, user="paul").quit()
    account.user.set_password("another")
    account.user.save()
    refused(530, login_only, room, "paul")
    ftp = ftplib.FTP(timeout=30)
    ftp.connect(room.server.host, room.server.port)
    ftp.login("paul", "another")
    ftp.quit()


@check
def django_changes_a_home(room):
    account = room.site.add_user("hugo")
    other = room.site.home("hugo-other")
    other.mkdir()
    (other / "here").write_bytes(b"")
    account.home_dir = str(other)
    account.save()
    with login(room, user="hugo") as ftp:
        expect(ftp.nlst() == ["here"], "the account's own home is not used")


@check
def django_adds_a_user_while_the_server_runs(room):
    from django.contrib.auth.models import User
    from django_ftpserver.models import FTPUserAccount, FTPUserGroup

    user = User.objects.create_user("nora", password="nora-secret")
    refused(530, login_only, room, "nora")
    room.site.home("nora").mkdir()
    FTPUserAccount.objects.create(user=user, group=FTPUserGroup.objects.get(name="ann"))
    with login(room, user="nora") as ftp:
        put(ftp, "file", b"hers")
    same(room.site.home("nora") / "file", b"hers")


@check
def django_reads_last_login(room):
    from django.utils import timezone

    account = room.site.add_user("lena")
    login(room, user="lena").quit()
    # No login waits for the disk: it is written right behind it.
    eventually(lambda: account.refresh_from_db() or account.last_login, "last_login is not written")
    moment = account.last_login
    expect(timezone.is_aware(moment), f"{moment!r} is naive")
    expect(abs(timezone.now() - moment) < datetime.timedelta(minutes=1), f"{moment} is not now")
    connection = sqlite3.connect(room.site.database)
    query = "SELECT last_login FROM django_ftpserver_ftpuseraccount WHERE id = ?"
    (text,) = connection.execute(query, [account.id]).fetchone()
    connection.close()
    expect(isinstance(text, str) and DJANGO_DATETIME.fullmatch(text), f"{text!r} is not how Django writes it")
    account.user.refresh_from_db()
    expect(account.user.last_login is None, "the site's own last_login is changed")


@check
def django_does_not_record_a_failed_login(room):
    account = room.site.add_user("fay")
    refused(530, login_only, room, "fay", "wrong")
    account.refresh_from_db()
    expect(account.last_login is None, "last_login is written")


@check
def django_and_server_write_to_a_database_with_journal_mode_delete(room):
    both_write(room, room.server, "default", "delete")


@check
def django_and_server_write_to_a_database_with_journal_mode_wal(room):
    with room.site.serve("wal", database=room.site.wal_database) as server:
        both_write(room, server, "wal", "wal")


def both_write(room, server, using, mode):
    """Django saves all the time while sessions log in, each of which writes last_login."""
    from django.contrib.auth.models import User
    from django.db import connections

    with connections[using].cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        expect(cursor.fetchone() == (mode,), "the journal mode is another")
    faults = []

    def session(number):
        try:
            for _ in range(10):
                with login(room, server) as ftp:
                    put(ftp, f"{using}-{number}", noise(1_000, number))
        except Exception as error:
            faults.append(f"session: {error}")

    threads = [threading.Thread(target=session, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    saves = 0
    while saves < 50 or any(thread.is_alive() for thread in threads):
        User.objects.using(using).create(username=f"written-{mode}-{saves}")
        saves += 1
        time.sleep(0.005)
    for thread in threads:
        thread.join()
    expect(not faults, "; ".join(faults))
    expect(User.objects.using(using).filter(username__startswith=f"written-{mode}-").count() == saves, "rows are lost")


def login_only(room, user, password=None):
    ftp = ftplib.FTP(timeout=30)
    ftp.connect(room.server.host, room.server.port)
    try:
        return ftp.login(user, password or f"{user}-secret")
    finally:
        ftp.close()


def is_sent_away(ftp):
    """The session ends with 421, at the latest when it asks for something."""
    until = time.monotonic() + NOTICE_SECONDS
    while time.monotonic() < until:
        try:
            ftp.nlst()
        except ftplib.error_temp as error:
            expect(str(error).startswith("421"), f"{error}, not 421")
            ftp.close()
            return
        except ftplib.error_perm:
            pass
        except EOFError:
            expect(False, "the session ended without 421")
        time.sleep(0.1)
    expect(False, f"the session is still on after {NOTICE_SECONDS} s")
