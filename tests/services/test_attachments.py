"""Attachments: whole or absent, within their quota, and gone for good only when their time in the trash is over."""

import errno
import hashlib
import io
import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO

import pytest
from PIL import Image
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import db, storage
from app.db import Application
from app.errors import Forbidden, NotFound, Refused, Unavailable
from app.models import Attachment, Client, FileKind, Project, StoredFile, Task, TimeEntry, User
from app.models.attachment import Holder
from app.models.shared import RESTS
from app.models.subject import Subject
from app.reports import attachments as report
from app.services import attachments, catalogue, pictures, time_entries, trash
from app.services.attachments import Sent
from app.services.quotas import OverQuota, Quotas
from app.storage.local import LocalStore
from tests.conftest import NOON
from tests.services.test_avatars import drawn

LONG_AFTER = NOON + RESTS + timedelta(seconds=1)


def sent(data: bytes = b"words", name: str = "notes.txt") -> Sent:
    return Sent(io.BytesIO(data), name)


@pytest.fixture
def client(session: Session, owner: User) -> Client:
    return catalogue.save_client(session, owner, None, name="Acme", color=0, now=NOON)


@pytest.fixture
def project(session: Session, owner: User, client: Client) -> Project:
    return catalogue.save_project(session, owner, None, name="Web", client=client, color=0, billable=True, now=NOON)


@pytest.fixture
def task(session: Session, owner: User, project: Project) -> Task:
    return catalogue.task_named(session, owner, project, "Draft", NOON)


@pytest.fixture
def entry(session: Session, owner: User) -> TimeEntry:
    span = time_entries.Span(NOON - timedelta(hours=1), NOON, owner.zone)
    return time_entries.add(session, owner, Subject("work"), span, now=NOON)


@pytest.fixture
def add(session: Session) -> Callable[..., Attachment]:
    def added(user: User, holder: Holder, data: bytes = b"words", name: str = "notes.txt") -> Attachment:
        (made,) = attachments.add(session, user, holder, [sent(data, name)], quotas=Quotas(), now=NOON)
        session.commit()
        return made

    return added


def files(app: Application) -> list[str]:
    root = app.settings.upload_folder
    return sorted(p.relative_to(root).as_posix() for p in root.glob("*/*") if not p.name.startswith("."))


def emptied(app: Application, session: Session) -> None:
    session.commit()
    trash.empty(app.engine, now=LONG_AFTER)
    session.expire_all()


@pytest.mark.engines
class TestAnAttachment:
    @pytest.mark.parametrize("holder", ["client", "project", "task", "entry"])
    def test_is_kept_byte_for_byte_under_a_name_of_ours(
        self, app: Application, session: Session, owner: User, holder: str, request: pytest.FixtureRequest
    ) -> None:
        data = os.urandom(300_000)
        thing = request.getfixturevalue(holder)
        (made,) = attachments.add(session, owner, thing, [sent(data, "Plan.bin")], quotas=Quotas(), now=NOON)
        session.commit()

        row = made.file
        assert re.fullmatch(r"att_[0-9a-f]{32}", row.name)
        assert (app.settings.upload_folder / "attachments" / row.name).read_bytes() == data
        assert (row.kind, row.original_name, row.size) == (FileKind.ATTACHMENT, "Plan.bin", len(data))
        assert row.sha256 == hashlib.sha256(data).hexdigest()
        assert row.content_type == "application/octet-stream"
        assert (made.created_by_id, made.created_at, made.thumbnail) == (owner.id, NOON, None)
        assert [found.id for found in report.attached(session, owner, thing).rows] == [made.id]

    def test_belongs_to_one_thing_only(
        self, session: Session, owner: User, client: Client, project: Project, add: Callable[..., Attachment]
    ) -> None:
        add(owner, client)
        with pytest.raises(IntegrityError):
            session.execute(update(Attachment).values(project_id=project.id))
        session.rollback()
        with pytest.raises(IntegrityError):
            session.execute(update(Attachment).values(client_id=None))

    def test_comes_with_others_or_not_at_all(
        self, app: Application, session: Session, owner: User, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, puts = LocalStore.put, iter([True, True, False])

        def full_at_the_third(self: LocalStore, key: str, source: BinaryIO) -> storage.Stored:
            if next(puts):
                return real(self, key, source)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(LocalStore, "put", full_at_the_third)
        session.commit()
        with pytest.raises(Unavailable):
            attachments.add(session, owner, client, [sent(), sent(), sent()], quotas=Quotas(), now=NOON)
        session.commit()
        assert files(app) == []
        assert session.scalars(select(StoredFile)).all() == []

    def test_is_not_stored_while_writes_are_held(
        self, session: Session, owner: User, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, held = LocalStore.put, []

        def looking(self: LocalStore, key: str, source: BinaryIO) -> storage.Stored:
            held.append(db.is_writing(session))
            return real(self, key, source)

        monkeypatch.setattr(LocalStore, "put", looking)
        session.commit()
        attachments.add(session, owner, client, [sent(drawn(), "a.png"), sent()], quotas=Quotas(), now=NOON)
        assert held == [False, False, False]

    def test_takes_its_bytes_away_where_its_row_cannot_be_entered(
        self, app: Application, session: Session, owner: User, client: Client, colleague: User
    ) -> None:
        session.commit()
        gone = Client(id=4711, name="never saved")
        with pytest.raises(IntegrityError):
            attachments.add(session, owner, gone, [sent()], quotas=Quotas(), now=NOON)
        session.rollback()
        assert files(app) == []

    def test_counts_as_a_change_of_the_person(
        self, session: Session, owner: User, client: Client, add: Callable[..., Attachment]
    ) -> None:
        before = owner.changes
        made = add(owner, client)
        attachments.delete(session, owner, made, now=NOON)
        attachments.undelete(session, owner, made)
        assert owner.changes == before + 3


class TestAThumbnail:
    def test_is_made_of_a_picture(
        self, app: Application, owner: User, client: Client, add: Callable[..., Attachment]
    ) -> None:
        made = add(owner, client, drawn(size=(400, 300)), "photo.PNG")
        assert made.file.content_type == "image/png"
        assert made.thumbnail is not None
        assert made.thumbnail.name == f"{made.file.name}.webp"
        with Image.open(app.settings.upload_folder / "thumbnails" / made.thumbnail.name) as picture:
            assert (picture.format, picture.size) == ("WEBP", (96, 96))

    @pytest.mark.parametrize(
        ("data", "name"),
        [(b"no picture", "a.png"), (drawn()[:200], "a.png"), (drawn(), "a.txt"), (b"%PDF-1.7", "a.pdf")],
    )
    def test_is_left_out_where_there_is_nothing_to_see(
        self, owner: User, client: Client, add: Callable[..., Attachment], data: bytes, name: str
    ) -> None:
        assert add(owner, client, data, name).thumbnail is None

    def test_is_left_out_while_many_pictures_are_being_read(
        self, owner: User, client: Client, add: Callable[..., Attachment], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attachments, "_LONGEST_WAIT_SECONDS", 0)
        with pictures.one_at_a_time:
            assert add(owner, client, drawn(), "a.png").thumbnail is None
        assert add(owner, client, drawn(), "a.png").thumbnail is not None


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ([], "Choose a file"),
            ([sent(b"")], "notes.txt is empty"),
            ([sent(), sent(b"", "b")], "b is empty"),
            ([sent(bytes(attachments.MAX_BYTES + 1), "big")], "big has more than 25 MiB"),
            ([sent() for _ in range(60)], "at most 10 files"),
        ],
        ids=["none", "empty", "one of two empty", "too large", "sixty"],
    )
    def test_keeps_nothing(
        self, app: Application, session: Session, owner: User, client: Client, given: list[Sent], words: str
    ) -> None:
        with pytest.raises(Refused, match=words) as refused:
            attachments.add(session, owner, client, given, quotas=Quotas(), now=NOON)
        assert refused.value.field == "files"
        assert files(app) == []

    def test_is_not_a_file_of_just_25_mib(self, owner: User, client: Client, add: Callable[..., Attachment]) -> None:
        assert add(owner, client, bytes(attachments.MAX_BYTES)).file.size == 25 * 2**20

    def test_is_what_anybody_but_its_owner_hangs_on_an_entry(
        self, session: Session, administrator: User, colleague: User, entry: TimeEntry
    ) -> None:
        for user in (administrator, colleague):
            with pytest.raises(Forbidden):
                attachments.add(session, user, entry, [sent()], quotas=Quotas(), now=NOON)


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\Plan <b>.doc", "Plan <b>.doc"),
        ("a\r\nb\0c\t.txt", "abc.txt"),
        ("in\u202egpj.exe", "ingpj.exe"),
        ("line\u2028break  twice.txt", "line break twice.txt"),
        ('say "no".txt', 'say "no".txt'),
        ("..", "file"),
        (". .", "file"),
        ("folder/", "file"),
        ("\0", "file"),
        (".htaccess", ".htaccess"),
        ("ä" * 300 + ".tar.gz", "ä" * 252 + ".gz"),
        ("x" * 300, "x" * 255),
        ("." + "x" * 300, "." + "x" * 254),
        ("\ud800.txt", ".txt"),
    ],
)
def test_a_name_is_its_last_part_on_one_line(filename: str, name: str) -> None:
    assert attachments.clean_name(filename) == name
    assert len(name) <= 255


@pytest.mark.engines
class TestAQuota:
    def test_of_a_person_counts_the_trash_and_nobody_else(
        self, session: Session, owner: User, colleague: User, client: Client, add: Callable[..., Attachment]
    ) -> None:
        add(colleague, client, bytes(900))
        attachments.delete(session, owner, add(owner, client, bytes(600)), now=NOON)
        with pytest.raises(OverQuota) as over:
            attachments.add(session, owner, client, [sent(bytes(401))], quotas=Quotas(per_person=1000), now=NOON)
        assert (over.value.used, over.value.allowed, over.value.of_everybody) == (600, 1000, False)
        attachments.add(session, owner, client, [sent(bytes(400))], quotas=Quotas(per_person=1000), now=NOON)

    def test_in_all_counts_everybody(
        self, session: Session, owner: User, colleague: User, client: Client, add: Callable[..., Attachment]
    ) -> None:
        add(colleague, client, bytes(600))
        with pytest.raises(OverQuota) as over:
            attachments.add(session, owner, client, [sent(bytes(401))], quotas=Quotas(in_all=1000), now=NOON)
        assert (over.value.used, over.value.allowed, over.value.of_everybody) == (600, 1000, True)

    def test_is_looked_at_before_a_byte_is_stored_and_again_under_the_lock(
        self, app: Application, session: Session, owner: User, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session.commit()
        real = LocalStore.put

        def with_another_at_once(self: LocalStore, key: str, source: BinaryIO) -> storage.Stored:
            monkeypatch.setattr(LocalStore, "put", real)
            with db.transaction(app.engine) as other:
                person = other.get_one(User, owner.id)
                attachments.add(other, person, client, [sent(bytes(600))], quotas=Quotas(1000), now=NOON)
            return real(self, key, source)

        monkeypatch.setattr(LocalStore, "put", with_another_at_once)
        with pytest.raises(OverQuota):
            attachments.add(session, owner, client, [sent(bytes(600))], quotas=Quotas(1000), now=NOON)
        session.rollback()
        assert len(files(app)) == 1


@pytest.mark.engines
class TestWhoReads:
    def test_follows_what_it_belongs_to(
        self,
        session: Session,
        owner: User,
        colleague: User,
        administrator: User,
        project: Project,
        task: Task,
        entry: TimeEntry,
        add: Callable[..., Attachment],
    ) -> None:
        shared = [add(owner, project), add(owner, task)]
        private = add(owner, entry)
        for user, number in ((owner, 3), (colleague, 2), (administrator, 3)):
            assert len(session.scalars(Attachment.visible_to(user)).all()) == number
        with pytest.raises(NotFound):
            Attachment.load(session, colleague, private.id)
        with pytest.raises(Forbidden):
            Attachment.load_to_change(session, administrator, private.id)
        with pytest.raises(Forbidden):
            Attachment.load_to_change(session, colleague, shared[0].id)
        assert Attachment.load_to_change(session, administrator, shared[1].id).created_by_id == owner.id

    def test_ends_while_what_it_belongs_to_is_in_the_trash(
        self, session: Session, owner: User, client: Client, task: Task, add: Callable[..., Attachment]
    ) -> None:
        made = add(owner, task)
        trash.delete_shared(session, owner, client, now=NOON)
        with pytest.raises(NotFound):
            Attachment.load(session, owner, made.id)
        trash.undelete_shared(session, owner, client)
        assert Attachment.load(session, owner, made.id).id == made.id

    def test_in_the_trash_is_whoever_may_bring_it_back(
        self,
        session: Session,
        owner: User,
        colleague: User,
        administrator: User,
        project: Project,
        entry: TimeEntry,
        add: Callable[..., Attachment],
    ) -> None:
        shared, private = add(owner, project), add(owner, entry)
        for made in (shared, private):
            attachments.delete(session, owner, made, now=NOON)
        found = {
            user.username: {a.id for a in session.scalars(Attachment.in_trash(user, NOON))}
            for user in (owner, colleague, administrator)
        }
        assert found == {
            owner.username: {shared.id, private.id},
            colleague.username: set(),
            administrator.username: {shared.id},
        }


@pytest.mark.engines
class TestThirtyDaysLater:
    def test_a_deleted_one_is_gone_with_bytes_and_thumbnail_and_others_stay(
        self, app: Application, session: Session, owner: User, client: Client, add: Callable[..., Attachment]
    ) -> None:
        gone, kept = add(owner, client, drawn(), "a.png"), add(owner, client)
        attachments.delete(session, owner, gone, now=NOON)
        session.commit()
        name = kept.file.name
        trash.empty(app.engine, now=NOON + RESTS)
        assert len(files(app)) == 3

        emptied(app, session)
        assert files(app) == [f"attachments/{name}"]
        assert [row.name for row in session.scalars(select(StoredFile))] == [name]

    @pytest.mark.parametrize("import_key", [None, "key"])
    def test_what_hangs_on_a_deleted_entry_goes_with_it(
        self,
        app: Application,
        session: Session,
        owner: User,
        entry: TimeEntry,
        add: Callable[..., Attachment],
        import_key: str | None,
    ) -> None:
        entry.import_key, entry.import_row = import_key, import_key and "{}"
        add(owner, entry)
        time_entries.delete(session, owner, entry, now=NOON)
        emptied(app, session)
        assert files(app) == []
        assert session.scalars(select(StoredFile)).all() == []

    def test_what_hangs_on_a_deleted_client_its_projects_and_tasks_goes_with_them(
        self,
        app: Application,
        session: Session,
        owner: User,
        client: Client,
        task: Task,
        add: Callable[..., Attachment],
    ) -> None:
        project = session.get_one(Project, task.project_id)
        for holder in (client, project, task):
            add(owner, holder)
        trash.delete_shared(session, owner, client, now=NOON)
        emptied(app, session)
        assert files(app) == []
        assert session.scalars(select(Client)).all() == []

    def test_what_hangs_on_a_project_that_time_is_booked_on_stays_with_it(
        self, app: Application, session: Session, owner: User, project: Project, add: Callable[..., Attachment]
    ) -> None:
        add(owner, project)
        span = time_entries.Span(NOON - timedelta(hours=1), NOON, owner.zone)
        time_entries.add(session, owner, Subject("work", project), span, now=NOON)
        trash.delete_shared(session, owner, project, now=NOON)
        emptied(app, session)
        assert len(files(app)) == 1


def test_a_list_counts_all_and_asks_twice_however_long_it_is(
    session: Session, owner: User, client: Client, add: Callable[..., Attachment], statements: list[str]
) -> None:
    for number in range(12):
        add(owner, client, name=f"{number}.txt")
    session.expire_all()
    owner.id, client.id  # noqa: B018 - read again
    statements.clear()
    shown = report.attached(session, owner, client, most=5)
    assert [row.name for row in shown.rows] == [f"{n}.txt" for n in (11, 10, 9, 8, 7)]
    assert all(row.created_by is not None and row.created_by.id == owner.id for row in shown.rows)
    assert (shown.in_all, len(statements)) == (12, 2)
