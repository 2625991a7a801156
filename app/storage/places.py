"""Which store the settings mean: the one place that chooses."""

from app.config import Settings
from app.storage import Store
from app.storage.local import LocalStore

LOCAL = "local"


def chosen(settings: Settings) -> Store:
    """The store for `settings`; nothing is asked of it yet. Raises StoreRefuses where its keys have no right form."""
    address = settings.storage_address
    if address is None:
        return LocalStore(settings.upload_folder)
    from app.storage.remote import RemoteStore  # noqa: PLC0415 - a library that few installations need

    return RemoteStore(address, settings)


def named(settings: Settings, name: str) -> Store:
    """The store an operator names: `local` for the upload folder, else an address. Raises InvalidSetting."""
    return chosen(settings.storing_at(None if name == LOCAL else name))


def name_of(settings: Settings) -> str:
    """What `named` would be told to mean the store in use."""
    return settings.storage_url or LOCAL
