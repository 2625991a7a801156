"""The environment becomes one checked Settings, or a sentence that says what to write instead (law 11)."""

import dataclasses
import os
from datetime import time
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app import config
from app.config import InvalidSetting, Settings, StorageAddress

LONG_KEY = "k" * 40
ODD_PASSWORDS = ["secret", "se:cret", "se/cret", "%40secret%3A", "sec@ret", "s:e@c:r@et", "?secret"]


def loaded(tmp_path: Path, **environment: str) -> Settings:
    return config.load({"DATA_DIR": str(tmp_path), **environment})


def refusal(tmp_path: Path, **environment: str) -> str:
    with pytest.raises(InvalidSetting) as refused:
        loaded(tmp_path, **environment)
    return str(refused.value)


def test_without_a_word_of_the_operator_everything_has_its_documented_default(tmp_path: Path) -> None:
    settings = loaded(tmp_path)

    assert settings == Settings(
        data_dir=tmp_path,
        data_dir_reason="DATA_DIR says so",
        upload_folder=tmp_path / "uploads",
        database_url=f"sqlite:///{tmp_path}/timetracker.db",
        secret_key=None,
        time_zone="UTC",
        currency="EUR",
        admin_usernames=frozenset(),
        allow_self_register=False,
        single_active_timer=True,
        auth_method="local",
        max_content_length=16 * 2**20,
        quota_per_person=5 * 2**30,
        quota_in_all=0,
        host="127.0.0.1",
        port=8080,
        base_url=None,
        trusted_proxies=(),
        storage_url=None,
        aws_access_key_id=None,
        aws_secret_access_key=None,
        aws_region="us-east-1",
        aws_endpoint_url=None,
        google_application_credentials=None,
        azure_storage_account_name=None,
        azure_storage_account_key=None,
        backup_time=time(3),
        backup_retention_days=30,
    )


def test_the_time_of_the_backup_is_one_of_the_day_or_off(tmp_path: Path) -> None:
    assert loaded(tmp_path, BACKUP_TIME="4:05").backup_time == time(4, 5)
    assert loaded(tmp_path, BACKUP_TIME="Off").backup_time is None
    assert loaded(tmp_path, BACKUP_TIME="4:05").environment["BACKUP_TIME"] == "04:05"
    assert loaded(tmp_path, BACKUP_TIME="off").environment["BACKUP_TIME"] == "off"
    for wrong in ("24:00", "3", "03:60", "at night", "03:00:00"):
        assert "must be a time of day such as 03:00, or off" in refusal(tmp_path, BACKUP_TIME=wrong)
    assert "BACKUP_RETENTION_DAYS" in refusal(tmp_path, BACKUP_RETENTION_DAYS="0")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    empty = dict.fromkeys([name for name in config.SETTINGS if name != "DATA_DIR"], "  ")

    assert loaded(tmp_path, **empty) == loaded(tmp_path)


def test_settings_cannot_be_changed_and_do_not_show_secrets_in_a_traceback(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SECRET_KEY=LONG_KEY, DATABASE_URL="postgresql://me:hunter2@db/tt")

    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
    assert LONG_KEY not in repr(settings)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "attribute", "taken"),
    [
        ("TZ", "Europe/Berlin", "time_zone", "Europe/Berlin"),
        ("CURRENCY", "chf", "currency", "CHF"),
        ("ADMIN_USERNAMES", " Ada, ,GRACE ", "admin_usernames", frozenset({"ada", "grace"})),
        ("ALLOW_SELF_REGISTER", "Yes", "allow_self_register", True),
        ("ALLOW_SELF_REGISTER", "on", "allow_self_register", True),
        ("SINGLE_ACTIVE_TIMER", "0", "single_active_timer", False),
        ("SINGLE_ACTIVE_TIMER", "FALSE", "single_active_timer", False),
        ("AUTH_METHOD", "Local", "auth_method", "local"),
        ("MAX_CONTENT_LENGTH", "1024", "max_content_length", 1024),
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("PORT", "65535", "port", 65535),
        ("BASE_URL", "https://time.example.org/", "base_url", "https://time.example.org"),
        ("BASE_URL", "http://[::1]:8080", "base_url", "http://[::1]:8080"),
        ("UPLOAD_FOLDER", "/srv/files", "upload_folder", Path("/srv/files")),
    ],
)
def test_a_value_is_taken_in_the_forms_people_write(
    tmp_path: Path, name: str, value: str, attribute: str, taken: object
) -> None:
    assert getattr(loaded(tmp_path, **{name: f" {value} "}), attribute) == taken


def test_proxies_are_addresses_and_networks(tmp_path: Path) -> None:
    found = loaded(tmp_path, TRUSTED_PROXIES="10.0.0.1, 172.16.5.4/12 fd00::/8").trusted_proxies

    assert list(map(str, found)) == ["10.0.0.1/32", "172.16.0.0/12", "fd00::/8"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATA_DIR", "data"),
        ("DATA_DIR", "./data"),
        ("DATA_DIR", "~nobody-of-this-name/data"),
        ("UPLOAD_FOLDER", "uploads"),
        ("TZ", "Berlin"),
        ("TZ", "../UTC"),
        ("TZ", "Europe"),
        ("CURRENCY", "EURO"),
        ("CURRENCY", "€"),
        ("ALLOW_SELF_REGISTER", "perhaps"),
        ("SINGLE_ACTIVE_TIMER", "2"),
        ("AUTH_METHOD", "oidc"),
        ("MAX_CONTENT_LENGTH", "16M"),
        ("MAX_CONTENT_LENGTH", "1023"),
        ("MAX_CONTENT_LENGTH", "9" * 30),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "٨٠٨٠"),
        ("BASE_URL", "time.example.org"),
        ("BASE_URL", "ftp://time.example.org"),
        ("BASE_URL", "https://time.example.org/tracker"),
        ("BASE_URL", "https://time.example.org?x=1"),
        ("BASE_URL", "https://time.example.org:port"),
        ("BASE_URL", "https://[::1"),
        ("TRUSTED_PROXIES", "proxy"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("DATABASE_URL", "timetracker.db"),
        ("DATABASE_URL", "mysql://me@db/tt"),
        ("DATABASE_URL", "sqlite:///relative.db"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:////data/tt.db?timeout=3"),
        ("DATABASE_URL", "postgresql://me:secret@db:port/tt"),
        ("DATABASE_URL", "postgresql://me:sec@ret@db/tt"),
        ("SECRET_KEY", "fifteen-letters"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(tmp_path: Path, name: str, value: str) -> None:
    sentence = refusal(tmp_path, **{name: value})

    assert sentence.startswith(name)
    assert sentence.endswith((".", "…"))
    assert "\n" not in sentence
    assert "ret@" not in sentence, "a piece of the password"


@pytest.mark.parametrize("key", sorted(config.PLACEHOLDER_KEYS))
def test_the_keys_of_example_files_are_refused(tmp_path: Path, key: str) -> None:
    assert "placeholder" in refusal(tmp_path, SECRET_KEY=key.upper())


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL"])
class TestASecretInAFile:
    VALUES = {"SECRET_KEY": LONG_KEY, "DATABASE_URL": "sqlite:////srv/tt.db"}  # noqa: RUF012 - read only

    def test_is_read_without_its_line_end(self, tmp_path: Path, name: str) -> None:
        file = tmp_path / "secret"
        file.write_text(f"{self.VALUES[name]}\n")

        assert getattr(loaded(tmp_path, **{f"{name}_FILE": str(file)}), name.lower()) == self.VALUES[name]

    def test_that_is_missing_is_refused(self, tmp_path: Path, name: str) -> None:
        sentence = refusal(tmp_path, **{f"{name}_FILE": str(tmp_path / "missing")})

        assert sentence.startswith(f"{name}_FILE names {tmp_path}/missing, which cannot be read")

    def test_that_is_a_folder_is_refused(self, tmp_path: Path, name: str) -> None:
        assert "cannot be read" in refusal(tmp_path, **{f"{name}_FILE": str(tmp_path)})

    def test_that_is_no_text_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "secret").write_bytes(b"\xff\xfe\x00")

        assert "cannot be read" in refusal(tmp_path, **{f"{name}_FILE": str(tmp_path / "secret")})

    def test_that_is_empty_is_refused_rather_than_replaced_by_a_default(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "secret").write_text("\n")

        assert "is empty" in refusal(tmp_path, **{f"{name}_FILE": str(tmp_path / "secret")})

    def test_and_in_the_variable_is_one_too_many(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "secret").write_text(self.VALUES[name])

        sentence = refusal(tmp_path, **{name: self.VALUES[name], f"{name}_FILE": str(tmp_path / "secret")})

        assert sentence == f"{name} and {name}_FILE are both set; keep one of them."


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_a_database_address_of_old_still_works(tmp_path: Path, scheme: str) -> None:
    url = loaded(tmp_path, DATABASE_URL=f"{scheme}://me:pw@db:5432/tt").database_url

    assert url == "postgresql+psycopg://me:pw@db:5432/tt"


@pytest.mark.parametrize(
    ("address", "user", "password", "host"),
    [
        ("me:pw@db/tt", "me", "pw", "db"),
        ("me:p%40ss%3Aw%2F@db/tt", "me", "p@ss:w/", "db"),
        ("me:a:b/c?d@db:5432/tt", "me", "a:b/c?d", "db"),
        ("me@server:pw@db/tt", "me@server", "pw", "db"),
        ("me:pw@[::1]:5432/tt", "me", "pw", "::1"),
        ("/tt?host=/run/postgresql", None, None, None),
    ],
)
def test_what_passes_the_check_is_taken_apart_as_meant(
    tmp_path: Path, address: str, user: str | None, password: str | None, host: str | None
) -> None:
    url = make_url(loaded(tmp_path, DATABASE_URL=f"postgresql://{address}").database_url)

    assert (url.username, url.password, url.host, url.database) == (user, password, host, "tt")


@pytest.mark.parametrize("name", ["data", "100%41", "what?", "a b#c", "räume"])
def test_the_database_lies_in_the_data_dir_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path / name)})

    assert settings.sqlite_file == tmp_path / name / "timetracker.db"
    assert make_url(settings.database_url).database == str(settings.sqlite_file)


def test_postgresql_has_no_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, DATABASE_URL="postgresql://db/tt").sqlite_file is None


class TestTheDataDir:
    def test_is_what_data_dir_says_even_in_a_container(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "container" / "uploads").mkdir(parents=True)
        monkeypatch.setattr(config, "CONTAINER_DATA", tmp_path / "container")

        assert loaded(tmp_path).data_dir == tmp_path

    def test_is_data_where_somebody_made_its_uploads(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "container" / "uploads").mkdir(parents=True)
        monkeypatch.setattr(config, "CONTAINER_DATA", tmp_path / "container")

        settings = config.load({})

        assert settings.data_dir == tmp_path / "container"
        assert settings.data_dir_reason == f"{tmp_path}/container/uploads exists and is writable"

    @pytest.mark.parametrize("state", ["missing", "without uploads", "not writable"])
    def test_else_lies_beside_the_code_and_never_in_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
    ) -> None:
        if state != "missing":
            (tmp_path / "container").mkdir()
        if state == "not writable":
            (tmp_path / "container" / "uploads").mkdir()
            monkeypatch.setattr(os, "access", lambda *_: False)
        monkeypatch.setattr(config, "CONTAINER_DATA", tmp_path / "container")
        monkeypatch.chdir(tmp_path)

        settings = config.load({})

        assert settings.data_dir == Path(config.__file__).parents[1] / "data"
        assert settings.data_dir_reason == "the default beside the code"

    def test_may_be_written_with_a_tilde(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))

        assert config.load({"DATA_DIR": "~/tt"}).data_dir == tmp_path / "tt"


def test_an_address_of_the_command_line_goes_before_the_environment(tmp_path: Path) -> None:
    settings = loaded(tmp_path, HOST="0.0.0.0", PORT="80")

    assert (settings.listening_on("::1", 81).host, settings.listening_on("::1", 81).port) == ("::1", 81)
    assert settings.listening_on(None, None) == settings


def test_what_is_shown_names_every_setting_and_can_be_read_again(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path, ADMIN_USERNAMES="b,a", TRUSTED_PROXIES="10.0.0.0/8", BASE_URL="https://a.example", TZ="Asia/Tokyo"
    )

    shown = settings.environment

    assert tuple(shown) == config.SETTINGS
    assert config.load(shown | {"SECRET_KEY": ""}) == settings


@pytest.mark.parametrize("password", ODD_PASSWORDS)
@pytest.mark.parametrize("user", ["me", "me@server", ""])
def test_no_password_of_a_database_is_shown(user: str, password: str) -> None:
    shown = config._shown_url(f"postgresql+psycopg://{user}:{password}@db:5432/tt")

    assert shown == f"postgresql+psycopg://{user}:(hidden)@db:5432/tt"


@pytest.mark.parametrize("option", ["password", "sslpassword", "PASSWORD"])
def test_no_password_among_the_options_is_shown(option: str) -> None:
    shown = config._shown_url(f"postgresql+psycopg://db/tt?user=me&{option}=sec@ret&sslmode=require")

    assert "sec" not in shown.replace("(hidden)", "")
    assert "ret" not in shown
    assert shown.endswith("&sslmode=require")


@pytest.mark.parametrize("url", ["sqlite:////srv/a:b@c.db", "postgresql+psycopg://me@db:5432/tt"])
def test_an_address_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert config._shown_url(url) == url


def test_a_secret_key_is_never_shown(tmp_path: Path) -> None:
    assert loaded(tmp_path, SECRET_KEY=LONG_KEY).environment["SECRET_KEY"] == "(hidden)"
    assert loaded(tmp_path).environment["SECRET_KEY"] == "(made in DATA_DIR)"


S3_KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hunter2"}


class TestARemoteStore:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("s3://bucket", StorageAddress("s3", "bucket", "")),
            ("s3://my.bucket-1/", StorageAddress("s3", "my.bucket-1", "")),
            ("s3://bucket/time/tracker/", StorageAddress("s3", "bucket", "time/tracker")),
            (
                "s3://bucket/a?endpoint=https://s3.example.org:9000/&region=eu-central-1",
                StorageAddress("s3", "bucket", "a", "https://s3.example.org:9000", "eu-central-1"),
            ),
            ("s3://bucket?endpoint=http://[::1]:9000", StorageAddress("s3", "bucket", "", "http://[::1]:9000")),
        ],
    )
    def test_is_read_from_its_address(self, tmp_path: Path, url: str, address: StorageAddress) -> None:
        settings = loaded(tmp_path, STORAGE_URL=url, **S3_KEYS)

        assert settings.storage_address == address
        assert settings.environment["STORAGE_URL"] == url

    @pytest.mark.parametrize(
        "url",
        [
            "bucket",
            "ftp://bucket",
            "s3://",
            "s3:///prefix",
            "s3://key:secret@bucket",
            "s3://bucket/../other",
            "s3://bucket//a",
            "s3://bucket/.hidden",
            "s3://bucket/a b",
            "s3://bucket/\u00fc",
            "s3://bucket?color=red",
            "s3://bucket?region=a&region=b",
            "s3://bucket?endpoint=s3.example.org",
            "s3://bucket?endpoint=https://key:secret@s3.example.org",
            "gs://bucket?region=a",
            "s3://bucket/" + "a/" * 40 + "!",
        ],
    )
    def test_whose_address_cannot_be_read_is_refused(self, tmp_path: Path, url: str) -> None:
        sentence = refusal(tmp_path, STORAGE_URL=url, **S3_KEYS)

        assert "STORAGE_URL" in sentence
        assert "secret" not in sentence

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("s3://bucket", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
            ("gs://bucket", "GOOGLE_APPLICATION_CREDENTIALS"),
            ("az://container", "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
        ],
    )
    def test_needs_its_keys(self, tmp_path: Path, url: str, words: str) -> None:
        assert f"which needs {words}, too." in refusal(tmp_path, STORAGE_URL=url)

    def test_takes_its_keys_from_files(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("from a file\n")
        files = {f"{name}_FILE": str(tmp_path / "key") for name in S3_KEYS}

        settings = loaded(tmp_path, STORAGE_URL="s3://bucket", **files)

        assert (settings.aws_access_key_id, settings.aws_secret_access_key) == ("from a file", "from a file")

    def test_does_not_show_its_keys(self, tmp_path: Path) -> None:
        settings = loaded(tmp_path, AZURE_STORAGE_ACCOUNT_KEY="hunter3", **S3_KEYS)

        assert "hunter" not in repr(settings) + str(settings.environment)

    def test_may_have_its_server_named_beside_the_address(self, tmp_path: Path) -> None:
        settings = loaded(tmp_path, AWS_ENDPOINT_URL="https://s3.example.org/", AWS_REGION="eu-west-1")

        assert (settings.aws_endpoint_url, settings.aws_region) == ("https://s3.example.org", "eu-west-1")
        assert "AWS_ENDPOINT_URL must be like" in refusal(tmp_path, AWS_ENDPOINT_URL="s3.example.org")
        assert "GOOGLE_APPLICATION_CREDENTIALS" in refusal(tmp_path, GOOGLE_APPLICATION_CREDENTIALS="key.json")
