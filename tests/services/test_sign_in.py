"""Signing in: who is let in, what is refused alike, and how guessing is slowed down."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Application
from app.errors import Refused, TooManyAttempts
from app.models import Role, SignInAttempt, User, UserSession
from app.models.user_session import LONG_SESSION, SHORT_SESSION, hashed
from app.services import accounts, passwords, sign_in
from app.services.sign_in import PER_ACCOUNT, PER_ADDRESS, PER_DEVICE, WINDOW, SignedIn, Visitor
from tests.conftest import NOON, PASSWORD, add_person

WRONG = "not the password"
HERE = Visitor("203.0.113.5")
ELSEWHERE = Visitor("198.51.100.7")
SECOND = timedelta(seconds=1)

Attempt = Callable[..., SignedIn]


@pytest.fixture
def attempt(session: Session, owner: User) -> Attempt:
    """Tries to sign the owner in, as a request does: committed when it succeeds, rolled back when it is refused."""

    def try_it(name: str = "owner", password: str = PASSWORD, visitor: Visitor = HERE, **kwargs: Any) -> SignedIn:
        given: dict[str, Any] = {"stay": False, "admins": frozenset(), "now": NOON} | kwargs
        try:
            signed_in = sign_in.sign_in(session, name, password, visitor, **given)
        except Exception:
            session.rollback()
            raise
        session.commit()
        return signed_in

    return try_it


@pytest.fixture
def refuse(attempt: Attempt) -> Callable[..., None]:
    """So many wrong passwords, each of which is refused."""

    def try_them(times: int, *args: Any, **kwargs: Any) -> None:
        for _ in range(times):
            with pytest.raises(Refused):
                attempt(*args, password=WRONG, **kwargs)

    return try_them


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes passwords were compared with."""
    compared: list[str] = []
    verify = PasswordHasher.verify

    def note(self: PasswordHasher, stored: str, password: str) -> Any:
        compared.append(stored)
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    return compared


class TestNames:
    @pytest.mark.parametrize(
        "name", ["owner", "  Owner ", "OWNER", "ｏｗｎｅｒ", "owner@nas.local", " Owner@NAS.local\n"]
    )
    def test_a_name_is_found_however_it_is_typed(
        self, name: str, attempt: Attempt, owner: User, session: Session
    ) -> None:
        accounts.set_email(owner, "owner@nas.local")
        session.commit()
        assert attempt(name).user is owner

    @pytest.mark.parametrize("name", ["owner", "colleague"])
    def test_an_address_of_two_people_signs_in_neither(
        self, name: str, attempt: Attempt, owner: User, colleague: User, session: Session
    ) -> None:
        for person in (owner, colleague):
            accounts.set_email(person, "team@nas.local")
        session.commit()
        with pytest.raises(Refused):
            attempt("team@nas.local")
        assert attempt(name).user.username == name

    def test_a_user_name_goes_before_an_address(self, attempt: Attempt, owner: User, session: Session) -> None:
        accounts.set_email(owner, "shared@nas.local")
        named = add_person(session, "shared@nas.local")
        assert attempt("shared@nas.local").user is named


class TestRefusals:
    @pytest.fixture
    def people(self, session: Session) -> None:
        """Somebody disabled and somebody invited, who chose no password yet."""
        disabled = add_person(session, "disabled")
        accounts.disable(session, disabled, NOON)
        accounts.create(session, "invited", now=NOON)
        session.commit()

    @pytest.mark.parametrize(
        ("name", "password"),
        [
            ("owner", WRONG),
            ("owner", ""),
            ("owner", "x" * 10_000),
            ("disabled", PASSWORD),
            ("invited", PASSWORD),
            ("invited", ""),
            ("nobody", PASSWORD),
            ("", ""),
            ("' OR 1=1 --", PASSWORD),
        ],
    )
    @pytest.mark.usefixtures("people")
    def test_all_are_refused_by_one_sentence_after_the_same_work(
        self, name: str, password: str, attempt: Attempt, verified: list[str]
    ) -> None:
        with pytest.raises(Refused) as refused:
            attempt(name, password)
        assert (str(refused.value), refused.value.field) == ("The name or the password is wrong.", "password")
        assert len(verified) == 1

    def test_a_success_costs_one_look_at_the_password_too(self, attempt: Attempt, verified: list[str]) -> None:
        attempt()
        assert len(verified) == 1

    def test_the_dummy_hash_costs_what_a_real_one_costs(self) -> None:
        assert not passwords.is_outdated(passwords._NOBODYS_HASH)


class TestLimits:
    def test_ten_refusals_close_an_account_even_to_the_right_password(
        self, attempt: Attempt, refuse: Callable[..., None], verified: list[str]
    ) -> None:
        refuse(PER_ACCOUNT)
        with pytest.raises(TooManyAttempts) as refused:
            attempt(visitor=ELSEWHERE)
        assert refused.value.retry_after == WINDOW.total_seconds()
        assert len(verified) == PER_ACCOUNT

    def test_a_name_nobody_has_is_closed_just_the_same(self, attempt: Attempt, refuse: Callable[..., None]) -> None:
        refuse(PER_ACCOUNT // 2, "nobody")
        refuse(PER_ACCOUNT // 2, " NoBody ")
        with pytest.raises(TooManyAttempts):
            attempt("nobody", visitor=ELSEWHERE)

    def test_other_accounts_stay_open(self, attempt: Attempt, refuse: Callable[..., None]) -> None:
        refuse(PER_ACCOUNT, "nobody")
        attempt()

    def test_it_opens_again_when_the_first_refusals_are_a_quarter_of_an_hour_old(
        self, attempt: Attempt, refuse: Callable[..., None]
    ) -> None:
        refuse(1)
        refuse(PER_ACCOUNT - 1, now=NOON + WINDOW / 3)
        with pytest.raises(TooManyAttempts) as refused:
            attempt(now=NOON + WINDOW - SECOND)
        assert refused.value.retry_after == 1
        attempt(now=NOON + WINDOW)

    def test_fifty_refusals_close_an_address_to_every_account(
        self, attempt: Attempt, refuse: Callable[..., None], session: Session
    ) -> None:
        counted(session, PER_ADDRESS - 1, HERE)
        refuse(1, "somebody else")
        with pytest.raises(TooManyAttempts):
            attempt()
        attempt(visitor=ELSEWHERE)

    @pytest.mark.parametrize(
        ("one", "other", "together"),
        [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
            ("203.0.113.5", "::ffff:203.0.113.5", True),
            ("203.0.113.5", "203.0.113.6", False),
            ("unknown", "unknown", True),
        ],
    )
    def test_visitors_are_counted_by_address_and_in_ipv6_by_64(self, one: str, other: str, together: bool) -> None:
        assert (Visitor(one).network == Visitor(other).network) is together

    def test_a_success_takes_the_refusals_from_its_own_address_back(
        self, attempt: Attempt, refuse: Callable[..., None], session: Session
    ) -> None:
        refuse(3, visitor=ELSEWHERE)
        refuse(3)
        attempt()
        assert session.scalar(select(func.count()).select_from(SignInAttempt)) == 3

    def test_what_was_typed_is_stored_as_a_hash_only(self, refuse: Callable[..., None], session: Session) -> None:
        refuse(1, "my secret password")
        kept = session.scalars(select(SignInAttempt)).one()
        assert kept.account_hash == hashed("my secret password")

    @pytest.mark.engines
    @pytest.mark.usefixtures("owner")
    def test_of_thirty_guesses_at_once_ten_are_looked_at(self, app: Application, verified: list[str]) -> None:
        def guess(_number: int) -> type[Exception]:
            with Session(app.engine) as own, pytest.raises((Refused, TooManyAttempts)) as refused:
                sign_in.sign_in(own, "owner", WRONG, HERE, stay=False, admins=frozenset(), now=NOON)
            return refused.type

        with ThreadPoolExecutor(30) as threads:
            refusals = list(threads.map(guess, range(30)))
        assert (refusals.count(Refused), refusals.count(TooManyAttempts)) == (PER_ACCOUNT, 20)
        assert len(verified) == PER_ACCOUNT


class TestKnownDevices:
    @pytest.fixture
    def known(self, attempt: Attempt) -> Visitor:
        """A device that signed in to the owner's account before."""
        return Visitor(HERE.address, attempt().device)

    def test_guesses_of_others_do_not_lock_out_a_known_device(
        self, known: Visitor, attempt: Attempt, refuse: Callable[..., None], session: Session
    ) -> None:
        counted(session, PER_ADDRESS, HERE)
        refuse(PER_ACCOUNT, visitor=ELSEWHERE)
        assert attempt(visitor=known).device == known.device

    def test_a_known_device_has_ten_guesses_too(
        self, known: Visitor, attempt: Attempt, refuse: Callable[..., None]
    ) -> None:
        refuse(PER_DEVICE, visitor=known)
        with pytest.raises(TooManyAttempts):
            attempt(visitor=known)
        attempt(visitor=ELSEWHERE)

    @pytest.mark.usefixtures("colleague")
    def test_a_known_device_helps_for_no_other_account(
        self, known: Visitor, attempt: Attempt, refuse: Callable[..., None]
    ) -> None:
        refuse(PER_ACCOUNT, "colleague", visitor=ELSEWHERE)
        with pytest.raises(TooManyAttempts):
            attempt("colleague", visitor=known)

    def test_a_made_up_device_is_an_unknown_one(self, attempt: Attempt, refuse: Callable[..., None]) -> None:
        refuse(PER_ACCOUNT)
        with pytest.raises(TooManyAttempts):
            attempt(visitor=Visitor(HERE.address, "made up"))


class TestSessions:
    def test_the_secret_of_a_session_is_stored_as_a_hash_only(self, attempt: Attempt, session: Session) -> None:
        signed_in = attempt()
        assert session.scalars(select(UserSession)).one().sid_hash == hashed(signed_in.sid)

    @pytest.mark.parametrize(("stay", "lives"), [(False, SHORT_SESSION), (True, LONG_SESSION)])
    def test_a_session_lapses_after_its_last_use(
        self, stay: bool, lives: timedelta, attempt: Attempt, session: Session, owner: User
    ) -> None:
        sid = attempt(stay=stay).sid
        found = sign_in.who_is(session, sid, NOON + lives - SECOND)
        assert found is not None
        assert found.session.user is owner
        assert sign_in.who_is(session, sid, NOON + lives) is None
        sign_in.note_seen(session, found.session, NOON + lives - SECOND)
        assert sign_in.who_is(session, sid, NOON + lives) is not None

    def test_whoever_is_disabled_is_nobody_even_with_a_session_left(
        self, attempt: Attempt, session: Session, owner: User
    ) -> None:
        sid = attempt().sid
        owner.disabled_at = NOON
        session.commit()
        assert sign_in.who_is(session, sid, NOON) is None

    def test_being_seen_is_written_once_a_minute(
        self, attempt: Attempt, session: Session, statements: list[str]
    ) -> None:
        found = sign_in.who_is(session, attempt().sid, NOON)
        assert found is not None
        statements.clear()
        sign_in.note_seen(session, found.session, NOON + timedelta(seconds=59))
        assert statements == []
        sign_in.note_seen(session, found.session, NOON + timedelta(seconds=60))
        assert any(statement.startswith("UPDATE user_sessions") for statement in statements)

    def test_lapsed_sessions_of_anybody_are_swept_at_a_sign_in(
        self, attempt: Attempt, session: Session, colleague: User
    ) -> None:
        attempt()
        attempt("colleague", now=NOON + SHORT_SESSION)
        assert [row.user_id for row in session.scalars(select(UserSession))] == [colleague.id]

    def test_a_password_hashed_at_another_cost_is_hashed_anew(
        self, attempt: Attempt, session: Session, owner: User
    ) -> None:
        owner.password_hash = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
        session.commit()
        attempt()
        assert not passwords.is_outdated(owner.password_hash)
        attempt()

    def test_whom_the_operator_named_is_an_administrator_once_signed_in(self, attempt: Attempt, owner: User) -> None:
        attempt(admins=frozenset({"somebody"}))
        assert owner.role == Role.MEMBER
        attempt(admins=frozenset({"owner"}))
        assert owner.role == Role.ADMIN


def counted(session: Session, times: int, visitor: Visitor) -> None:
    """So many refusals of other names from the visitor's address, without the price of their passwords."""
    session.add_all(SignInAttempt(account_hash=hashed(str(n)), address=visitor.network, at=NOON) for n in range(times))
    session.commit()
