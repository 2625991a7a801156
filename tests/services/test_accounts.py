"""People and their rights: whom a name belongs to, what a password must be, who always stays to administer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import db
from app.db import Application
from app.errors import Conflict, NotFound, Refused
from app.models import Installation, OneTimeLink, Role, User, UserSession
from app.models.user_session import hashed
from app.services import accounts, passwords, sign_in
from app.services.accounts import LINK_LIVES, Purpose
from tests.conftest import NOON, PASSWORD, add_person

NEW_PASSWORD = "another horse battery"
SECOND = timedelta(seconds=1)


def set_up(session: Session, username: str = "first") -> User:
    return accounts.set_up(
        session,
        username=username,
        password=PASSWORD,
        company_name=" Ink & Paper ",
        time_zone="Europe/Lisbon",
        currency="CHF",
        now=NOON,
    )


def at_once(app: Application, *acts: Callable[[Session], object]) -> list[type[Exception] | None]:
    """Each act in a thread and a transaction of its own; what each raised."""
    together = Barrier(len(acts))

    def run(act: Callable[[Session], object]) -> type[Exception] | None:
        together.wait()
        try:
            with db.transaction(app.engine) as own:
                act(own)
        except (Conflict, Refused) as refused:
            return type(refused)
        return None

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


class TestNames:
    @pytest.mark.parametrize("name", ["a", "x" * 64, "Jürgen", "me@nas.local", "王小明", "Anna Maria", "<script>"])
    def test_a_name_may_be_anything_a_person_is_called(self, name: str, session: Session) -> None:
        assert accounts.create(session, f" {name} ", now=NOON).username == name

    @pytest.mark.parametrize(
        "name", ["", "   ", "x" * 65, "a\0b", "a\nb", "a\u202eb", "\u200b", "owner\ufeff", "\ufdfa" * 64]
    )
    def test_a_name_nobody_could_read_is_refused(self, name: str, session: Session) -> None:
        with pytest.raises(Refused) as refused:
            accounts.create(session, name, now=NOON)
        assert refused.value.field == "username"

    @pytest.mark.parametrize("name", ["owner", "OWNER", " Owner", "ｏｗｎｅｒ"])
    @pytest.mark.usefixtures("owner")
    def test_two_people_cannot_be_told_apart_by_case_or_width_alone(self, name: str, session: Session) -> None:
        with pytest.raises(Refused, match="Somebody already has this user name"):
            accounts.create(session, name, now=NOON)

    @pytest.mark.engines
    def test_of_two_who_take_a_name_at_once_one_is_refused(self, app: Application) -> None:
        def take(session: Session) -> None:
            accounts.create(session, "wanted", now=NOON)

        assert sorted(map(str, at_once(app, take, take))) == sorted(map(str, (None, Refused)))

    @pytest.mark.parametrize("email", ["me@nas.local", "Ä@ö.test", "", " "])
    def test_addresses_of_a_home_network_are_fine(self, email: str, owner: User) -> None:
        accounts.set_email(owner, email)
        assert owner.email == (email.strip() or None)

    @pytest.mark.parametrize("email", ["me", "@", "me@", "a@b@c", "a b@c", "x" * 250 + "@a.io", "\ufdfa" * 100 + "@a"])
    def test_what_is_no_address_is_refused(self, email: str, owner: User) -> None:
        with pytest.raises(Refused):
            accounts.set_email(owner, email)


class TestPasswords:
    @pytest.mark.parametrize(
        ("password", "sentence"),
        [
            ("", "at least 8"),
            ("x" * 7, "at least 8"),
            ("x" * 1025, "at most 1024"),
            (" Somebody ", "differ from the user name"),
        ],
    )
    def test_a_password_too_short_too_long_or_the_name_is_refused(
        self, password: str, sentence: str, session: Session
    ) -> None:
        with pytest.raises(Refused, match=sentence) as refused:
            accounts.create(session, "somebody", now=NOON, password=password)
        assert refused.value.field == "password"

    @pytest.mark.parametrize("password", ["x" * 8, "x" * 1024, "🔑" * 8, "null\0null"])
    def test_any_other_password_is_taken_as_it_is(self, password: str) -> None:
        passwords.check_acceptable(password, "somebody")
        assert passwords.matches(passwords.hashed(password), password)
        assert not passwords.matches(passwords.hashed(password), f" {password}")

    def test_a_new_password_ends_the_other_sessions_and_open_links(self, session: Session, owner: User) -> None:
        here, elsewhere = (sign_in.open_session(session, owner, None, stay=False, now=NOON).sid for _ in range(2))
        accounts.make_link(session, Purpose.RESET, owner, NOON)
        accounts.change_password(session, owner, PASSWORD, NEW_PASSWORD, keep_sid=here)
        assert sign_in.who_is(session, here, NOON) is not None
        assert sign_in.who_is(session, elsewhere, NOON) is None
        assert session.scalars(select(OneTimeLink)).all() == []

    def test_a_new_password_needs_the_current_one(self, session: Session, owner: User) -> None:
        with pytest.raises(Refused) as refused:
            accounts.change_password(session, owner, "guessed", NEW_PASSWORD, keep_sid=None)
        assert refused.value.field == "current_password"
        assert passwords.matches(owner.password_hash, PASSWORD)


class TestLinks:
    def test_a_link_is_stored_as_a_hash_only(self, session: Session, owner: User) -> None:
        token = accounts.make_link(session, Purpose.JOIN, owner, NOON)
        assert session.scalars(select(OneTimeLink)).one().token_hash == hashed(token)

    def test_a_link_lets_in_once(self, session: Session, owner: User) -> None:
        token = accounts.make_link(session, Purpose.RESET, owner, NOON)
        assert accounts.use_link(session, token, NEW_PASSWORD, NOON) is owner
        with pytest.raises(NotFound):
            accounts.use_link(session, token, NEW_PASSWORD, NOON)

    def test_a_refused_password_leaves_the_link_alive(self, session: Session, owner: User) -> None:
        token = accounts.make_link(session, Purpose.RESET, owner, NOON)
        with pytest.raises(Refused):
            accounts.use_link(session, token, "short", NOON)
        accounts.use_link(session, token, NEW_PASSWORD, NOON)

    def test_a_link_lapses_after_seven_days(self, session: Session, owner: User) -> None:
        token = accounts.make_link(session, Purpose.JOIN, owner, NOON)
        accounts.person_of_link(session, token, NOON + LINK_LIVES - SECOND)
        with pytest.raises(NotFound):
            accounts.person_of_link(session, token, NOON + timedelta(days=7))

    def test_a_newer_link_ends_the_one_before(self, session: Session, owner: User) -> None:
        token = accounts.make_link(session, Purpose.JOIN, owner, NOON)
        accounts.make_link(session, Purpose.JOIN, owner, NOON)
        with pytest.raises(NotFound):
            accounts.person_of_link(session, token, NOON)

    def test_disabling_ends_a_persons_link(self, session: Session, owner: User) -> None:
        token = accounts.make_link(session, Purpose.JOIN, owner, NOON)
        accounts.disable(session, owner, NOON)
        accounts.enable(owner)
        with pytest.raises(NotFound):
            accounts.person_of_link(session, token, NOON)

    def test_the_link_of_the_set_up_lets_nobody_join(self, session: Session) -> None:
        token = accounts.make_link(session, Purpose.SET_UP, None, NOON)
        assert accounts.set_up_link_is_right(session, token)
        with pytest.raises(NotFound):
            accounts.person_of_link(session, token, NOON)

    def test_the_link_of_a_person_does_not_set_up(self, session: Session, owner: User) -> None:
        assert not accounts.set_up_link_is_right(session, accounts.make_link(session, Purpose.JOIN, owner, NOON))

    @pytest.mark.engines
    def test_of_two_who_use_a_link_at_once_one_gets_in(self, app: Application, session: Session, owner: User) -> None:
        token = accounts.make_link(session, Purpose.JOIN, owner, NOON)
        session.commit()

        def use(own: Session) -> None:
            try:
                accounts.use_link(own, token, NEW_PASSWORD, NOON)
            except NotFound as spent:
                raise Conflict from spent

        assert sorted(map(str, at_once(app, use, use))) == sorted(map(str, (None, Conflict)))


class TestTheFirstAdministrator:
    def test_the_set_up_makes_them_and_names_the_house(self, session: Session) -> None:
        token = accounts.make_link(session, Purpose.SET_UP, None, NOON)
        user = set_up(session)
        house = Installation.this(session)
        assert (user.role, user.time_zone) == (Role.ADMIN, "Europe/Lisbon")
        assert (house.company_name, house.time_zone, house.currency) == ("Ink & Paper", "Europe/Lisbon", "CHF")
        assert not accounts.set_up_link_is_right(session, token)

    @pytest.mark.engines
    def test_of_two_at_once_one_sets_up_and_the_other_is_told(self, app: Application, session: Session) -> None:
        acts = [lambda own, name=name: set_up(own, name) for name in ("one", "two")]
        assert sorted(map(str, at_once(app, *acts))) == sorted(map(str, (None, Conflict)))
        assert len(session.scalars(select(User)).all()) == 1


class TestTheLastAdministrator:
    def test_they_cannot_be_disabled(self, session: Session, administrator: User) -> None:
        with pytest.raises(Conflict):
            accounts.disable(session, administrator, NOON)
        assert administrator.is_active

    def test_they_cannot_become_a_member(self, session: Session, administrator: User) -> None:
        with pytest.raises(Conflict):
            accounts.change_role(session, administrator, Role.MEMBER)
        assert administrator.is_admin

    def test_another_one_who_is_disabled_does_not_count(self, session: Session, administrator: User) -> None:
        other = add_person(session, "other", Role.ADMIN)
        accounts.disable(session, other, NOON)
        with pytest.raises(Conflict):
            accounts.disable(session, administrator, NOON)

    @pytest.mark.engines
    @pytest.mark.parametrize("act", ["demote", "disable"])
    def test_of_two_who_turn_on_each_other_at_once_one_stays(
        self, act: str, app: Application, session: Session, administrator: User
    ) -> None:
        other = add_person(session, "other", Role.ADMIN)

        def turn_on(person: User) -> Callable[[Session], None]:
            def turn(own: Session) -> None:
                found = own.get_one(User, person.id)
                if act == "demote":
                    accounts.change_role(own, found, Role.MEMBER)
                else:
                    accounts.disable(own, found, NOON)

            return turn

        assert sorted(map(str, at_once(app, turn_on(administrator), turn_on(other)))) == sorted(
            map(str, (None, Conflict))
        )


def test_disabling_signs_a_person_out_everywhere(session: Session, owner: User) -> None:
    sid = sign_in.open_session(session, owner, None, stay=True, now=NOON).sid
    accounts.disable(session, owner, NOON)
    assert sign_in.who_is(session, sid, NOON) is None
    assert session.scalars(select(UserSession)).all() == []
