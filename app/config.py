"""The environment, read once into one checked `Settings`. Nothing else in the project reads `os.environ`.

A wrong value stops the start with a sentence that says what to write instead. A secret may be given as NAME or
as NAME_FILE, the path of a file that holds it. Standard library only: `app.storage` and the migration script of
the pictures run on a bare Python.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import time
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

VERSION = "0.1.0"
CHECKOUT = Path(__file__).resolve().parent.parent
CONTAINER_DATA = Path("/data")

# Keys printed in example files of the TimeTracker of old: whoever reads those files could sign cookies.
PLACEHOLDER_KEYS = frozenset(
    {
        "your-secret-key-here",
        "your-secret-key-change-this",
        "your-secret-key-change-this-in-production",
        "your-secret-key",
        "dev-secret-key-change-in-production",
        "local-test-secret-key",
        "change-me",
        "changeme",
        "secret",
        "secret-key",
    }
)
SHORTEST_KEY = 16
_MOST_BYTES = 2**49  # the largest power of two that 15 digits hold

# What a remote store of each scheme needs to let us in.
_KEYS_OF = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "az": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"),
}

Network = IPv4Network | IPv6Network


class InvalidSetting(ValueError):
    """A value of the environment that cannot be used; the message names the variable and the remedy."""


@dataclass(frozen=True)
class StorageAddress:
    """A remote store: `scheme` is s3, gs or az; `prefix` has no slash at its ends and may be empty."""

    scheme: str
    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


@dataclass(frozen=True)
class Settings:
    """Everything an operator can choose, checked.

    Sizes are bytes. `environment` maps each variable to the value in effect, as `timetracker config` prints it.
    """

    data_dir: Path
    data_dir_reason: str
    upload_folder: Path
    database_url: str = field(repr=False)
    secret_key: str | None = field(repr=False)
    time_zone: str
    currency: str
    admin_usernames: frozenset[str]
    allow_self_register: bool
    single_active_timer: bool
    auth_method: str
    max_content_length: int
    quota_per_person: int
    quota_in_all: int
    host: str
    port: int
    base_url: str | None
    trusted_proxies: tuple[Network, ...]
    storage_url: str | None
    aws_access_key_id: str | None = field(repr=False)
    aws_secret_access_key: str | None = field(repr=False)
    aws_region: str
    aws_endpoint_url: str | None
    google_application_credentials: Path | None
    azure_storage_account_name: str | None
    azure_storage_account_key: str | None = field(repr=False)

    def storing_at(self, url: str | None) -> "Settings":
        """The same settings with stored files at another address; None is the local folder. Raises `InvalidSetting`."""
        changed = replace(self, storage_url=url)
        _refuse_missing_keys(changed)
        return changed

    @property
    def storage_address(self) -> "StorageAddress | None":
        """Where the remote store is, or None where stored files lie in `upload_folder`."""
        return _storage_address(self.storage_url) if self.storage_url else None

    backup_time: time | None
    backup_retention_days: int

    def listening_on(self, host: str | None, port: int | None) -> "Settings":
        """The same settings with an address of the command line."""
        return replace(self, host=host or self.host, port=port or self.port)

    @property
    def secret_key_file(self) -> Path:
        return self.data_dir / "secret_key"

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an SQLite database, or None where rows lie elsewhere."""
        prefix = "sqlite:///"
        if not self.database_url.startswith(prefix):
            return None
        return Path(unquote(self.database_url.removeprefix(prefix)))

    @property
    def environment(self) -> dict[str, str]:
        """Variable name → value in effect, secrets hidden."""
        return {name: shown(getattr(self, attribute)) for name, (attribute, shown) in _SHOWN.items()}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads and checks every setting. Raises `InvalidSetting`."""
    env = {k: v.strip() for k, v in (os.environ if environ is None else environ).items()}
    data_dir, reason = _data_dir(env)
    settings = Settings(
        data_dir=data_dir,
        data_dir_reason=reason,
        upload_folder=_absolute("UPLOAD_FOLDER", env.get("UPLOAD_FOLDER") or str(data_dir / "uploads")),
        database_url=_database_url(_secret(env, "DATABASE_URL"), data_dir),
        secret_key=_secret_key(_secret(env, "SECRET_KEY")),
        time_zone=_time_zone(env.get("TZ") or "UTC"),
        currency=_currency(env.get("CURRENCY") or "EUR"),
        admin_usernames=_names(env.get("ADMIN_USERNAMES", "")),
        allow_self_register=_flag(env, "ALLOW_SELF_REGISTER", default=False),
        single_active_timer=_flag(env, "SINGLE_ACTIVE_TIMER", default=True),
        auth_method=_auth_method(env.get("AUTH_METHOD") or "local"),
        max_content_length=_number(env, "MAX_CONTENT_LENGTH", default=16 * 1024 * 1024, least=1024),
        quota_per_person=_number(env, "QUOTA_PER_PERSON", default=5 * 1024**3, least=0, most=_MOST_BYTES),
        quota_in_all=_number(env, "QUOTA_IN_ALL", default=0, least=0, most=_MOST_BYTES),
        host=env.get("HOST") or "127.0.0.1",
        port=_number(env, "PORT", default=8080, least=1, most=65535),
        base_url=_base_url(env.get("BASE_URL")),
        trusted_proxies=_networks(env.get("TRUSTED_PROXIES", "")),
        storage_url=env.get("STORAGE_URL") or None,
        aws_access_key_id=_secret(env, "AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=_secret(env, "AWS_SECRET_ACCESS_KEY"),
        aws_region=env.get("AWS_REGION") or "us-east-1",
        aws_endpoint_url=_endpoint("AWS_ENDPOINT_URL", env.get("AWS_ENDPOINT_URL")),
        google_application_credentials=_credentials_file(env.get("GOOGLE_APPLICATION_CREDENTIALS")),
        azure_storage_account_name=env.get("AZURE_STORAGE_ACCOUNT_NAME") or None,
        azure_storage_account_key=_secret(env, "AZURE_STORAGE_ACCOUNT_KEY"),
        backup_time=_backup_time(env.get("BACKUP_TIME") or "03:00"),
        backup_retention_days=_number(env, "BACKUP_RETENTION_DAYS", default=30, least=1, most=36_500),
    )
    _refuse_missing_keys(settings)
    return settings


def _data_dir(env: Mapping[str, str]) -> tuple[Path, str]:
    if env.get("DATA_DIR"):
        return _absolute("DATA_DIR", env["DATA_DIR"]), "DATA_DIR says so"
    uploads = CONTAINER_DATA / "uploads"
    if uploads.is_dir() and os.access(uploads, os.W_OK):
        return CONTAINER_DATA, f"{uploads} exists and is writable"
    return CHECKOUT / "data", "the default beside the code"


def _absolute(name: str, value: str) -> Path:
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:  # ~name of nobody
        raise InvalidSetting(f"{name} is {value!r}, but there is no such person here; write the path out.") from error
    if not path.is_absolute():
        raise InvalidSetting(f"{name} is {value!r}, but must be an absolute path, such as /data.")
    return path


def _secret(env: Mapping[str, str], name: str) -> str | None:
    file = env.get(f"{name}_FILE")
    if file and env.get(name):
        raise InvalidSetting(f"{name} and {name}_FILE are both set; keep one of them.")
    if not file:
        return env.get(name) or None
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{name}_FILE names {file}, which cannot be read: {error}.") from error
    if not secret:
        raise InvalidSetting(f"{name}_FILE names {file}, which is empty; write the value into it.")
    return secret


def _secret_key(value: str | None) -> str | None:
    if value is None:
        return None
    if value.lower() in PLACEHOLDER_KEYS:
        raise InvalidSetting(
            "SECRET_KEY is a placeholder of an example file, which anybody can read. "
            "Remove it, and TimeTracker makes a key of its own, or set a long random one."
        )
    if len(value) < SHORTEST_KEY:
        raise InvalidSetting(f"SECRET_KEY is shorter than {SHORTEST_KEY} characters; set a long random one.")
    return value


def _database_url(value: str | None, data_dir: Path) -> str:
    if not value:
        file = str(data_dir / "timetracker.db")
        return f"sqlite:///{file.replace('%', '%25').replace('?', '%3F')}"  # the library decodes, and ends at a ?
    scheme, separator, rest = value.partition("://")
    if not separator:
        raise InvalidSetting("DATABASE_URL must look like postgresql://user:password@host/name or sqlite:////path.")
    if scheme in {"postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"}:
        return f"postgresql+psycopg://{_readable_address(rest)}"
    if scheme != "sqlite":
        raise InvalidSetting(f"DATABASE_URL begins with {scheme}://, but only sqlite:// and postgresql:// are known.")
    if not rest.startswith("//"):
        raise InvalidSetting("DATABASE_URL names an SQLite file by a relative path; write four slashes: sqlite:////…")
    if "?" in rest:
        raise InvalidSetting("DATABASE_URL names an SQLite file with options; leave them away, from the ? on.")
    return value


def _readable_address(rest: str) -> str:
    """`user:password@host:port/name` as the database library takes it apart: at the first @ and the first /."""
    address = r"(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?@\]]+\]|[^:/?@]*)(?::\d{1,5})?(?:/[^?]*)?(?:\?.*)?"
    if not re.fullmatch(address, rest):
        raise InvalidSetting(
            "DATABASE_URL cannot be taken apart: write it like postgresql://user:password@host:5432/name, "
            "and in user and password %40 for @, %3A for : and %2F for /."
        )
    return rest


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSetting(f"TZ is {value!r}, which is no known time zone; write one like Europe/Berlin.") from error
    return value


def _names(value: str) -> frozenset[str]:
    """User names in the form they are compared in."""
    return frozenset(
        unicodedata.normalize("NFKC", name.strip()).casefold() for name in value.split(",") if name.strip()
    )


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value.upper()):
        raise InvalidSetting(f"CURRENCY is {value!r}, but must be a code of three letters (ISO 4217), such as EUR.")
    return value.upper()


def _auth_method(value: str) -> str:
    if value.lower() != "local":
        raise InvalidSetting(f"AUTH_METHOD is {value!r}, but this version knows only 'local' (name and password).")
    return "local"


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = env.get(name, "").lower()
    if not value:
        return default
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off"}:
        return False
    raise InvalidSetting(f"{name} is {value!r}, but must be true or false.")


def _number(env: Mapping[str, str], name: str, *, default: int, least: int, most: int = 2**40) -> int:
    value = env.get(name) or str(default)
    if not re.fullmatch(r"\d{1,15}", value, re.ASCII) or not least <= int(value) <= most:
        raise InvalidSetting(f"{name} is {value!r}, but must be a whole number from {least} to {most}.")
    return int(value)


def _base_url(value: str | None) -> str | None:
    if not value:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
    if not usable or parts.path.strip("/") or parts.query or parts.fragment:
        raise InvalidSetting(f"BASE_URL is {value!r}, but must be like https://time.example.org, without a path.")
    return urlunsplit((parts.scheme, parts.netloc, "", "", ""))


def _networks(value: str) -> tuple[Network, ...]:
    networks: list[Network] = []
    for word in filter(None, re.split(r"[\s,]+", value)):
        try:
            networks.append(ip_network(word, strict=False))
        except ValueError as error:
            raise InvalidSetting(f"TRUSTED_PROXIES names {word!r}; write addresses or networks, 10.0.0.0/8.") from error
    return tuple(networks)


def _storage_address(url: str) -> StorageAddress:
    """Takes STORAGE_URL apart. Raises `InvalidSetting`."""
    bucket = f"(?P<scheme>{'|'.join(_KEYS_OF)})://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{{1,62}})"
    prefix = r"(?P<prefix>(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)/?"
    found = re.fullmatch(rf"{bucket}{prefix}(?:\?(?P<options>.*))?", url, re.ASCII)
    if not found:
        raise InvalidSetting(
            "STORAGE_URL must look like s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-central-1, "
            "gs://bucket/prefix or az://container/prefix, without keys; they have settings of their own."
        )
    options = parse_qs(found["options"] or "")
    known = {"endpoint", "region"} if found["scheme"] == "s3" else set()
    if options.keys() - known or any(len(values) > 1 for values in options.values()):
        raise InvalidSetting("STORAGE_URL takes the options endpoint and region, each once, and for s3:// only.")
    return StorageAddress(
        found["scheme"],
        found["bucket"],
        found["prefix"].strip("/"),
        _endpoint("The endpoint in STORAGE_URL", options.get("endpoint", [""])[0]),
        options.get("region", [None])[0],
    )


def _endpoint(name: str, value: str | None) -> str | None:
    if not value:
        return None
    if not re.fullmatch(r"https?://(?:\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?(?:/[\w./-]*)?", value, re.ASCII):
        raise InvalidSetting(f"{name} must be like https://s3.example.org, without keys and options.")
    return value.rstrip("/")


def _credentials_file(value: str | None) -> Path | None:
    return _absolute("GOOGLE_APPLICATION_CREDENTIALS", value) if value else None


def _refuse_missing_keys(settings: Settings) -> None:
    address = settings.storage_address
    if address is None:
        return
    missing = [name for name in _KEYS_OF[address.scheme] if not getattr(settings, name.lower())]
    if missing:
        raise InvalidSetting(f"STORAGE_URL begins with {address.scheme}://, which needs {' and '.join(missing)}, too.")


def _backup_time(value: str) -> time | None:
    if value.lower() == "off":
        return None
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", value, re.ASCII):
        raise InvalidSetting(f"BACKUP_TIME is {value!r}, but must be a time of day such as 03:00, or off.")
    hour, _, minute = value.partition(":")
    return time(int(hour), int(minute))


def _shown_flag(value: bool) -> str:
    return "true" if value else "false"


def _shown_or_nothing(value: object) -> str:
    return str(value or "")


def _shown_many(value: object) -> str:
    return ",".join(sorted(map(str, value))) if isinstance(value, frozenset | tuple) else ""


def _shown_secret(value: str | None, *, unset: str) -> str:
    return "(hidden)" if value else unset


def _shown_url(value: str) -> str:
    """Rather too much is hidden than too little: up to the last @, and passwords among the options."""
    hidden = re.sub(r"(://[^:/?]*):.*@", r"\1:(hidden)@", value, flags=re.DOTALL)
    return re.sub(r"(password=)[^&]*", r"\1(hidden)", hidden, flags=re.IGNORECASE)


_SHOWN: dict[str, tuple[str, Callable[..., str]]] = {
    "DATA_DIR": ("data_dir", str),
    "UPLOAD_FOLDER": ("upload_folder", str),
    "DATABASE_URL": ("database_url", _shown_url),
    "SECRET_KEY": ("secret_key", partial(_shown_secret, unset="(made in DATA_DIR)")),
    "TZ": ("time_zone", str),
    "CURRENCY": ("currency", str),
    "ADMIN_USERNAMES": ("admin_usernames", _shown_many),
    "ALLOW_SELF_REGISTER": ("allow_self_register", _shown_flag),
    "SINGLE_ACTIVE_TIMER": ("single_active_timer", _shown_flag),
    "AUTH_METHOD": ("auth_method", str),
    "MAX_CONTENT_LENGTH": ("max_content_length", str),
    "QUOTA_PER_PERSON": ("quota_per_person", str),
    "QUOTA_IN_ALL": ("quota_in_all", str),
    "HOST": ("host", str),
    "PORT": ("port", str),
    "BASE_URL": ("base_url", _shown_or_nothing),
    "TRUSTED_PROXIES": ("trusted_proxies", _shown_many),
    "STORAGE_URL": ("storage_url", _shown_or_nothing),
    "AWS_ACCESS_KEY_ID": ("aws_access_key_id", partial(_shown_secret, unset="")),
    "AWS_SECRET_ACCESS_KEY": ("aws_secret_access_key", partial(_shown_secret, unset="")),
    "AWS_REGION": ("aws_region", str),
    "AWS_ENDPOINT_URL": ("aws_endpoint_url", _shown_or_nothing),
    "GOOGLE_APPLICATION_CREDENTIALS": ("google_application_credentials", _shown_or_nothing),
    "AZURE_STORAGE_ACCOUNT_NAME": ("azure_storage_account_name", _shown_or_nothing),
    "AZURE_STORAGE_ACCOUNT_KEY": ("azure_storage_account_key", partial(_shown_secret, unset="")),
    "BACKUP_TIME": ("backup_time", lambda value: value.strftime("%H:%M") if value else "off"),
    "BACKUP_RETENTION_DAYS": ("backup_retention_days", str),
}
SETTINGS = tuple(_SHOWN)
assert {attribute for attribute, _ in _SHOWN.values()} | {"data_dir_reason"} == {f.name for f in fields(Settings)}  # noqa: S101 - a setting that is not shown is a mistake of ours
