"""What the tests of the demo share: counting everything there is."""

from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import storage
from app.db import Base


@pytest.fixture
def everything(session: Session) -> Callable[[], dict[str, int]]:
    """How many rows each table has, and how many files there are."""

    def count() -> dict[str, int]:
        session.rollback()
        rows = {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }
        return rows | {"files": len(list(storage.store().list(storage.AVATARS)))}

    return count
