"""TimeTracker. Importing this package costs nothing: a bare Python can use `app.storage` without the dependencies."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.factory import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    """`app.create_app` is found on first use (PEP 562), so that importing `app` stays free of Flask."""
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from app.factory import create_app  # noqa: PLC0415 - the one lazy import that keeps `app.storage` bare

    return create_app
