"""What a site's settings say, as the configuration file of django-ftpd."""

import inspect
import itertools
import json
import os
import shlex
import sys
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, router
from django.utils.module_loading import import_string

LEGACY_HASHERS = {"SHA1PasswordHasher", "UnsaltedSHA1PasswordHasher", "UnsaltedMD5PasswordHasher"}
DJANGOS_HASHERS = "django.contrib.auth.hashers."
DJANGOS_BACKEND = "django.contrib.auth.backends.ModelBackend"

# Attributes of pyftpdlib's handlers that are options, too, and some of the classes that handlers refer to.
SAME_ATTRIBUTES = [
    "max_login_attempts",
    "auth_failed_timeout",
    "permit_foreign_addresses",
    "permit_privileged_ports",
]
OTHER_ATTRIBUTES = [
    "masquerade_address_map",
    "tcp_no_delay",
    "encoding",
    "unicode_errors",
    "log_prefix",
    "ssl_protocol",
    "ssl_options",
    "ssl_context",
]
# What django-storages calls the keys of our sections, where they are settings and no OPTIONS.
STORES = {
    "s3": {
        "bucket_name": "AWS_STORAGE_BUCKET_NAME",
        "endpoint_url": "AWS_S3_ENDPOINT_URL",
        "region_name": "AWS_S3_REGION_NAME",
        "location": "AWS_LOCATION",
    },
    "gcs": {"bucket_name": "GS_BUCKET_NAME", "project_id": "GS_PROJECT_ID", "location": "GS_LOCATION"},
}
TIMEOUTS = [("dtp_handler", "data_timeout"), ("passive_dtp", "pasv_timeout"), ("active_dtp", "port_timeout")]


class Configuration:
    """The lines of the file, with comments on what it can't say."""

    def __init__(self):
        self.lines = ["# Made by manage.py ftpd_config from the settings of this site."]

    def __str__(self):
        return "\n".join(self.lines) + "\n"

    def section(self, title):
        self.lines += ["", f"# --- {title} ---"]

    def option(self, name, value):
        self.lines.append(f"{name} = {toml(value)}")

    def comment(self, text):
        self.lines += [f"# {line}".rstrip() for line in str(text).splitlines()]

    def example(self, name, value):
        self.lines.append(f"#{name} = {toml(value)}")

    def no_equivalent(self, name, value, instead):
        """A value may be a secret or a whole class: one line of it at most."""
        self.comment(f"no equivalent: {name} = {' '.join(repr(value).split())[:100]}: {instead}")


def configuration():
    made = Configuration()
    has_certificate = bool(setting("CERTFILE") or setting("KEYFILE"))
    handler = Handler(made, has_certificate)
    made.section("General")
    address(made)
    made.section("Accounts")
    accounts(made)
    authentication(made)
    made.section("Connections")
    connection_options(made, handler)
    made.section("TLS")
    tls(made, handler, has_certificate)
    made.section("Files")
    files(made, handler)
    made.section("Events")
    journal(made, handler)
    made.section("Process")
    process(made)
    store(made, handler)
    return str(made)


def setting(name):
    return getattr(settings, f"FTPSERVER_{name}", None)


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def address(made):
    host, port = setting("HOST"), setting("PORT")
    host = "127.0.0.1" if host is None else host or "0.0.0.0"
    if host in ("127.0.0.1", "::1", "localhost"):
        made.comment("Clients on this host alone reach that; 0.0.0.0 is for all:")
    made.option("address", f"{f'[{host}]' if ':' in host else host}:{21 if port is None else port}")


def accounts(made):
    user = get_user_model()
    alias = router.db_for_read(user)
    connection = connections[alias]
    file = sqlite_file(connection)
    if file:
        made.option("database", file)
    else:
        exported(made, connection)
    field_names(made, user, in_database=bool(file))
    if not apps.is_installed("django_ftpserver"):
        made.comment("This site has no FTP accounts: every active user who has a home may log in; superusers may write.")
        made.option("all_users", True)
        made.option("home", "/srv/ftp/{username}")
        made.comment("If everybody may; for a Django group alone, end this file with permission in a section like [group.cameras]:")
        made.example("read_perms", "elradfmw")
        return
    account = apps.get_model("django_ftpserver", "FTPUserAccount")
    if router.db_for_read(account) != alias:
        made.comment("The FTP accounts are in another database than the users: use ftpd_export and `export` instead.")


def sqlite_file(connection):
    """None: it is none, or in memory."""
    name = os.fspath(connection.settings_dict["NAME"] or "")
    if connection.vendor != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return os.path.abspath(name)


def exported(made, connection):
    path = getattr(settings, "FTPD_EXPORT", None)
    directory = Path(getattr(settings, "BASE_DIR", os.getcwd()))
    path = os.path.abspath(path or directory / "ftpd-users.jsonl")
    manage = shlex.join([sys.executable, os.path.abspath(sys.argv[0])])
    settings_module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    made.comment(f"The users are in {connection.display_name}: the site writes them to a file, for example every minute")
    made.comment("by this line of its crontab; `ftpd_export --watch` or the setting FTPD_EXPORT are faster.")
    line = f"* * * * * cd {shlex.quote(os.getcwd())} && DJANGO_SETTINGS_MODULE={settings_module} {manage}"
    # A percent sign ends a line of a crontab.
    made.comment(f"{line} ftpd_export {shlex.quote(path)} >/dev/null".replace("%", "\\%"))
    made.option("export", path)


def field_names(made, user, in_database):
    meta = user._meta
    table = meta.db_table if in_database else f"{meta.app_label}_{meta.model_name}"
    if table != "auth_user":
        made.option("user_table", table)
    options = [
        ("username_field", user.USERNAME_FIELD, "username"),
        ("password_field", "password", "password"),
        ("active_field", "is_active", "is_active"),
        ("superuser_field", "is_superuser", "is_superuser"),
    ]
    inherited = []
    for option, name, default in options:
        try:
            field = meta.get_field(name)
        except FieldDoesNotExist:
            if isinstance(inspect.getattr_static(user, name, None), property):
                made.no_equivalent(f"{meta.label}.{name}", "a property", "the server reads columns only")
            continue
        column = field.column if in_database else field.attname
        if column != default:
            made.option(option, column)
        if field.model._meta.concrete_model is not meta.concrete_model:
            inherited.append(name)
    if inherited:
        made.comment(f"{', '.join(inherited)} of {meta.label} are in the table of the model that it inherits from:")
        made.comment("make an SQL view of both, and name it here as user_table.")


def authentication(made):
    hashers = list(settings.PASSWORD_HASHERS)
    if any(name.rpartition(".")[2] in LEGACY_HASHERS for name in hashers):
        made.option("legacy_hashes", True)
    for name in hashers:
        if not name.startswith(DJANGOS_HASHERS):
            made.no_equivalent("PASSWORD_HASHERS", name, "users with such a password can't log in")
    for name in settings.AUTHENTICATION_BACKENDS:
        if name != DJANGOS_BACKEND:
            made.no_equivalent("AUTHENTICATION_BACKENDS", name, "see accounts_command for logins by a program")
    authorizer = setting("AUTHORIZER")
    if authorizer and path_of(authorizer) != "django_ftpserver.authorizers.FTPAccountAuthorizer":
        instead = "homes and permissions come from the FTP accounts, their groups and the sections [user] and [group]"
        made.no_equivalent("FTPSERVER_AUTHORIZER", path_of(authorizer), f"{instead}, or from accounts_command")


def connection_options(made, handler):
    timeout = handler.changed("timeout") if setting("TIMEOUT") is None else setting("TIMEOUT")
    if timeout is not None:
        made.option("timeout", timeout)
    if handler.changed("banner") is not None:
        # One line, for that is what a greeting can be.
        made.option("banner", " ".join(handler.changed("banner").split()))
    for name in SAME_ATTRIBUTES:
        if handler.changed(name) is not None:
            made.option(name, handler.changed(name))
    for attribute, option in TIMEOUTS:
        if handler.changed("timeout", of=attribute) is not None:
            made.option(option, handler.changed("timeout", of=attribute))
    for attribute, option in [("read_limit", "session_upload_rate"), ("write_limit", "session_download_rate")]:
        if handler.changed(attribute, of="dtp_handler"):
            made.option(option, int(handler.changed(attribute, of="dtp_handler")))
    ports = setting("PASSIVE_PORTS") or handler.changed("passive_ports")
    if ports:
        made.option("passive_ports", port_ranges(ports))
    else:
        made.comment("The ports that the firewall lets in for data; without it any free port:")
        made.example("passive_ports", "30000-30100")
    masquerade_address = setting("MASQUERADE_ADDRESS") or handler.changed("masquerade_address")
    if masquerade_address:
        made.option("masquerade_address", masquerade_address)
    sendfile = setting("SENDFILE")
    sendfile = handler.changed("use_sendfile") if sendfile is None else sendfile
    if sendfile is not None:
        made.option("sendfile", bool(sendfile))
    for name in OTHER_ATTRIBUTES:
        if handler.changed(name) is not None:
            made.no_equivalent(name, handler.changed(name), "not needed, or not there")


def port_ranges(ports):
    """What the reference takes, a text, or what pyftpdlib does, numbers."""
    if isinstance(ports, str):
        return ports.replace(" ", "")
    ranges = []
    for port in sorted(set(ports)):
        if ranges and ranges[-1][1] == port - 1:
            ranges[-1][1] = port
        else:
            ranges.append([port, port])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def tls(made, handler, has_certificate):
    certfile = setting("CERTFILE") or handler.changed("certfile")
    keyfile = setting("KEYFILE") or handler.changed("keyfile")
    if certfile:
        made.option("certfile", os.path.abspath(certfile))
    if certfile and keyfile:
        made.option("keyfile", os.path.abspath(keyfile))
    elif keyfile:
        made.no_equivalent("FTPSERVER_KEYFILE", keyfile, "a key is nothing without FTPSERVER_CERTFILE")
    if certfile and not has_certificate:
        # With a certificate in the settings the reference demands TLS, whatever the class says.
        made.option("tls_control_required", bool(handler.changed("tls_control_required")))
        made.option("tls_data_required", bool(handler.changed("tls_data_required")))
    if not certfile:
        made.comment("Without a certificate, passwords and files are sent in the clear:")
        made.example("certfile", "/etc/letsencrypt/live/ftp.example.com/fullchain.pem")
        made.example("keyfile", "/etc/letsencrypt/live/ftp.example.com/privkey.pem")


def files(made, handler):
    if handler.changed("use_gmt_times") is False:
        made.option("local_times", True)
    filesystem = own_filesystem(handler)
    if not filesystem:
        return
    made.no_equivalent("FTPSERVER_FILESYSTEM", path_of(filesystem), "storage says whether homes are on a disk or in a bucket")
    backend, options, kind = storage()
    if kind:
        bucket = store_keys(kind, options)["bucket_name"]
        instead = f"without the # of the next line, and of section [{kind}] at the end, homes are there"
        made.no_equivalent("STORAGES", f"{backend}, bucket {bucket}", instead)
        made.example("storage", kind)
    elif backend.endswith(".FileSystemStorage"):
        root = options.get("location") or settings.MEDIA_ROOT
        made.no_equivalent("STORAGES", f"{backend} in {root}", "give the groups homes in that directory")
    else:
        made.no_equivalent("STORAGES", backend, "homes are on a disk, in S3 or in Google Cloud Storage")


def own_filesystem(handler):
    return setting("FILESYSTEM") or handler.changed("abstracted_fs")


def storage():
    """The site's own: its class, its options, and the section that would be for it, if it has a bucket."""
    default = getattr(settings, "STORAGES", {}).get("default", {})
    options = default.get("OPTIONS", {})
    backend = default.get("BACKEND") or getattr(settings, "DEFAULT_FILE_STORAGE", "")
    kind = "gcs" if "gcloud" in backend else "s3"
    return backend, options, kind if store_keys(kind, options).get("bucket_name") else None


def store_keys(kind, options):
    found = {key: options.get(key) or getattr(settings, name, None) for key, name in STORES[kind].items()}
    return {key: value for key, value in found.items() if value}


def store(made, handler):
    _, options, kind = storage()
    if not kind or not own_filesystem(handler):
        return
    made.section(f"Store: with storage = {toml(kind)} above")
    made.lines.append(f"#[{kind}]")
    for key, value in store_keys(kind, options).items():
        made.example(key, value)
    made.comment("What opens it is not copied; it can also come from the environment, or be the machine's role:")
    for key in {"s3": ["access_key", "secret_key"], "gcs": ["credentials"]}[kind]:
        made.example(key, "...")


def journal(made, handler):
    path = getattr(settings, "FTPD_JOURNAL", None)
    if path:
        made.option("journal", os.path.abspath(path))
    else:
        made.comment("What manage.py ftpd_signals reads (--journal, or the setting FTPD_JOURNAL):")
        made.example("journal", "/var/log/django-ftpd/events.jsonl")
    if handler.methods():
        made.no_equivalent(handler.path, ", ".join(handler.methods()), "signals tell what happens, by ftpd_signals")


def process(made):
    if setting("FILE_ACCESS_USER"):
        made.option("file_access_user", setting("FILE_ACCESS_USER"))
    if setting("PIDFILE"):
        made.option("pidfile", os.path.abspath(setting("PIDFILE")))
    if not setting("DAEMONIZE"):
        made.comment("It runs in the foreground; systemd, supervisor or Docker keep it there.")
        return
    made.option("daemonize", True)
    options = setting("DAEMONIZE_OPTIONS") or {}
    log = options.get("err_log") or options.get("out_log")
    if log and log != os.devnull:
        made.option("log_file", os.path.abspath(log))
    else:
        made.comment("Without it, the log goes to the system's log:")
        made.example("log_file", "/var/log/django-ftpd/django-ftpd.log")


class Handler:
    """The site's handler class, compared with pyftpdlib's own."""

    def __init__(self, made, has_certificate):
        name = "TLSHANDLER" if has_certificate else "HANDLER"
        default = f"django_ftpserver.handlers.{'DjangoTLS_FTPHandler' if has_certificate else 'DjangoFTPHandler'}"
        chosen = setting(name) or default
        self.path = path_of(chosen)
        self._chosen = self._own = None
        try:
            from pyftpdlib import handlers

            self._chosen = import_string(chosen) if isinstance(chosen, str) else chosen
        except ImportError as error:
            if setting(name):
                made.no_equivalent(f"FTPSERVER_{name}", self.path, f"its attributes can't be read ({error})")
            return
        if self._chosen is not None:
            self._own = next(one for one in self._chosen.__mro__ if one.__module__.startswith(handlers.__name__))

    def changed(self, name, of=None):
        """Its attribute, or that of a class which it names, if it is not what pyftpdlib has; else None."""
        chosen, own = (getattr(one, of, None) if of else one for one in (self._chosen, self._own))
        value = getattr(chosen, name, None)
        return None if value == getattr(own, name, None) else value

    def methods(self):
        """What the site's own classes do in their own way."""
        known = ("pyftpdlib.", "django_ftpserver.")
        own = itertools.takewhile(lambda one: not one.__module__.startswith(known), getattr(self._chosen, "__mro__", []))
        return sorted({name for one in own for name, value in vars(one).items() if inspect.isfunction(value)})


def path_of(chosen):
    """A class as settings write it."""
    return chosen if isinstance(chosen, str) else f"{chosen.__module__}.{chosen.__qualname__}"
