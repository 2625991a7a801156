"""The yardstick of the cold start: Flask and SQLAlchemy in one file, behind the same server."""

import sys

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from sqlalchemy import String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(100))


app = Flask(__name__)
engine = create_engine(f"sqlite:///{sys.argv[1]}")
Base.metadata.create_all(engine)


@app.get("/_health")
def health() -> dict[str, int]:
    with Session(engine) as session:
        return {"notes": session.query(Note).count()}


if __name__ == "__main__":
    Granian("app", port=int(sys.argv[2]), interface=Interfaces.WSGI, log_enabled=False).serve(
        target_loader=lambda: app, wrap_loader=False
    )
