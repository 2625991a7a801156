"""A remote store that is away, wrong or closed says so in a sentence, and never keeps half a file."""

import errno
import io
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import config
from app.storage import Store, StoreRefuses, marker, places, remote
from app.storage.marker import Mark
from app.storage.remote import PART
from tests.s3 import KEYS, S3Server, Wire

KEY = "avatars/avatar_7_0a1b2c3d.webp"

Environment = dict[str, str]
ACTS: dict[str, Callable[[Store], object]] = {
    "put": lambda store: store.put(KEY, io.BytesIO(b"x")),
    "put in parts": lambda store: store.put(KEY, io.BytesIO(b"x" * 2 * PART)),
    "open": lambda store: store.open(KEY),
    "stat": lambda store: store.stat(KEY),
    "delete": lambda store: store.delete(KEY),
    "list": lambda store: list(store.list("avatars")),
    "read_marker": lambda store: store.read_marker(),
    "write_marker": lambda store: store.write_marker("{}"),
}


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.fresh_bucket()


def store_of(environment: Environment) -> Store:
    return places.chosen(config.load({"DATA_DIR": "/srv/data", **environment}))


def refusal(store: Store, act: Callable[[Store], object]) -> str:
    with pytest.raises(StoreRefuses) as refused:
        act(store)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
class TestWhateverIsAsked:
    def test_of_a_store_that_is_away_is_refused_with_a_sentence(
        self, s3: S3Server, act: Callable[[Store], object]
    ) -> None:
        wire = Wire(s3)
        wire.cut()
        begun = time.monotonic()

        sentence = refusal(store_of(s3.environment("bucket", port=wire.port)), act)

        assert "s3://bucket/some/prefix does not answer: check STORAGE_URL and AWS_ENDPOINT_URL" in sentence
        assert time.monotonic() - begun < 10

    def test_with_wrong_keys_is_refused_with_a_sentence(
        self, s3: S3Server, bucket: str, act: Callable[[Store], object]
    ) -> None:
        store = store_of(s3.environment(bucket))

        with s3.letting_nobody_in():
            sentence = refusal(store, act)

        assert "does not let us in: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in sentence
        assert not list(store.list("avatars"))


@pytest.mark.parametrize("name", ["put", "put in parts", "list", "read_marker", "write_marker"])
def test_a_missing_bucket_is_not_an_empty_one(s3: S3Server, name: str) -> None:
    sentence = refusal(store_of(s3.environment("no-such-bucket")), ACTS[name])

    assert sentence.endswith("there is no bucket no-such-bucket. Make it, or correct STORAGE_URL.")


def test_a_store_that_never_answers_is_given_up_within_some_seconds(s3: S3Server, bucket: str) -> None:
    store = store_of(s3.environment(bucket))
    begun = time.monotonic()

    with s3.silent():
        sentence = refusal(store, ACTS["read_marker"])

    assert "does not answer" in sentence
    assert 5 < time.monotonic() - begun < 25


class CutsTheWire(io.BytesIO):
    """An upload during which the store goes away."""

    def __init__(self, wire: Wire, size: int) -> None:
        super().__init__(b"x" * size)
        self.wire = wire

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= PART:
            self.wire.cut()
        return super().read(size)


def test_a_store_that_goes_away_in_mid_upload_keeps_nothing_and_works_when_it_is_back(
    s3: S3Server, bucket: str
) -> None:
    wire = Wire(s3)
    store = store_of(s3.environment(bucket, port=wire.port))
    store.put("avatars/before", io.BytesIO(b"x"))

    assert "does not answer" in refusal(store, lambda store: store.put(KEY, CutsTheWire(wire, 3 * PART)))

    wire.mend()
    assert list(store.list("avatars")) == ["avatars/before"]
    store.put(KEY, io.BytesIO(b"x" * 3 * PART))
    assert store.stat(KEY)


def test_an_upload_that_its_sender_breaks_off_leaves_no_parts_in_the_bucket(s3: S3Server, bucket: str) -> None:
    class Gone(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 2 * PART:
                raise ConnectionResetError(errno.ECONNRESET, "the browser was closed")
            return super().read(size)

    store = store_of(s3.environment(bucket))

    with pytest.raises(ConnectionResetError):
        store.put(KEY, Gone(b"x" * 4 * PART))

    assert s3.unfinished_uploads(bucket) == 0


def test_a_file_replaced_while_it_is_read_is_not_mixed_with_the_new_one(s3: S3Server, bucket: str) -> None:
    store = store_of(s3.environment(bucket))
    store.put(KEY, io.BytesIO(b"1" * 3 * PART))

    with store.open(KEY) as stream:
        stream.read(10)
        store.put(KEY, io.BytesIO(b"2" * 3 * PART))
        with pytest.raises(StoreRefuses):
            stream.read()


def test_two_prefixes_of_one_bucket_know_nothing_of_each_other(s3: S3Server, bucket: str) -> None:
    one, other, whole = (store_of(s3.environment(bucket, prefix)) for prefix in ("one", "one/other", ""))
    for store, data in ((one, b"1"), (other, b"2"), (whole, b"3")):
        store.put(KEY, io.BytesIO(data))
        marker.leave(store, Mark(data.decode()))

    for store, data in ((one, b"1"), (other, b"2"), (whole, b"3")):
        assert store.open(KEY).read() == data
        assert marker.look(store) == Mark(data.decode())
        assert list(store.list("avatars")) == [KEY]


def test_a_forked_process_is_told_instead_of_waiting_for_ever(s3: S3Server, bucket: str) -> None:
    store = store_of(s3.environment(bucket))
    store.stat(KEY)
    answer, say = multiprocessing.get_context("fork").Pipe(duplex=False)

    def ask() -> None:
        try:
            store.stat(KEY)
        except StoreRefuses as refused:
            say.send(str(refused))

    child = multiprocessing.get_context("fork").Process(target=ask, daemon=True)
    child.start()

    assert answer.poll(20), "it waits"
    assert "start workers without preloading" in answer.recv()
    child.join()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (
            {
                "STORAGE_URL": "az://container",
                "AZURE_STORAGE_ACCOUNT_NAME": "tester",
                "AZURE_STORAGE_ACCOUNT_KEY": "no base64",
            },
            "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        ),
        (
            {"STORAGE_URL": "gs://bucket", "GOOGLE_APPLICATION_CREDENTIALS": "/no/such/file.json"},
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
    ],
    ids=["az", "gs"],
)
def test_keys_that_cannot_be_read_are_named(environment: Environment, words: str) -> None:
    sentence = refusal(store_of(environment), ACTS["stat"])

    assert words in sentence
    assert "no base64" not in sentence


def test_the_library_is_not_even_imported_where_files_lie_on_this_machine(tmp_path: Path) -> None:
    code = f"""
import sys
from app import config, create_app
from app.storage import places
places.chosen(config.load({{"DATA_DIR": {str(tmp_path)!r}}}))
sys.exit("obstore" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_stands_empty_in_the_environment_changes_nothing(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docker-compose.yml hands it on; the library reads the environment itself."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "")
    store = store_of(s3.environment(bucket))

    store.put(KEY, io.BytesIO(b"x"))

    assert list(store.list("avatars")) == [KEY]


def test_amazon_is_asked_where_no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(remote, "S3Store", lambda _bucket, *, config, **_rest: told.update(config))
    store = store_of({"STORAGE_URL": "s3://bucket?region=eu-central-1", **KEYS})

    with pytest.raises(ValueError, match="object store"):  # nothing is connected
        store.stat(KEY)

    assert told["endpoint"] == "https://s3.eu-central-1.amazonaws.com"


def test_a_bucket_that_only_says_404_is_told_from_one_without_a_marker(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every store says what it has not found."""

    def nothing(*_: object) -> None:
        raise FileNotFoundError("404")

    monkeypatch.setattr("app.storage.remote.obstore.get", nothing)

    assert store_of(s3.environment(bucket)).read_marker() is None
    assert "there is no bucket no-such-bucket" in refusal(
        store_of(s3.environment("no-such-bucket")), ACTS["read_marker"]
    )
