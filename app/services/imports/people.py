"""Whose rows are taken from a file that names people."""

from app.errors import Refused
from app.models import User
from app.models.user import fold
from app.services.imports.rows import NotTaken, Person, Reading


def only(user: User, reading: Reading) -> Reading:
    """Of a file of several people the rows of `user`; a file of one person is theirs whoever it names.

    Raises Refused where several of the file's people might be `user`.
    """
    if len({person.key for person in reading.people if person.key}) < 2:
        return reading
    own = _own(user, reading)
    others = [
        NotTaken(row.line, f"it is {row.person}'s, and not {user.username}'s")
        for row in reading.rows
        if row.person not in own
    ]
    return Reading([row for row in reading.rows if row.person in own], [*reading.refused, *others], reading.people)


def _own(user: User, reading: Reading) -> set[Person]:
    own = {person for person in reading.people if _is(user, person)}
    if len({person.key for person in own}) > 1:
        raise Refused(
            f"Several people in the file have the name of {user.username}: "
            f"{', '.join(sorted(map(str, own)))}. Give {user.username} an e-mail address. Nothing was imported."
        )
    return own


def _is(user: User, person: Person) -> bool:
    if person.email and user.email_key:
        return fold(person.email) == user.email_key
    return bool(person.name) and fold(person.name) in {user.username_key, fold(user.full_name)}
