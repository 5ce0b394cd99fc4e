"""Finding: what `anlass verify` has to say of one place of a store."""

from msgspec import Struct


class Finding(Struct, frozen=True, kw_only=True):
    """One thing found."""

    text: str
    damage: bool = True
    """False: it is as it may be, and good to know."""
    file: str = ""
    """Relative to the store's folder."""
    byte: int | None = None
    """Where in the file."""
    shard: int | None = None
    partition: int | None = None
    contact: str | None = None
    field: str | None = None
    """The first one of the contact that differs."""


class Counts(Struct, kw_only=True):
    """What a verification has read, folded again and compared."""

    files: int = 0
    bytes: int = 0
    blocks: int = 0
    frames: int = 0
    records: int = 0
    snapshots: int = 0
    rows: int = 0
    refolded: int = 0
    """Records folded again."""
    partitions_compared: int = 0
    contacts_compared: int = 0
