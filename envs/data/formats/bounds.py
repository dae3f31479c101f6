"""What a compressed file may announce: enough for any recording, too little to fill the memory."""

from __future__ import annotations

from envs.errors import DatasetError

__all__ = ["check_size"]

_RATIO = 300  # announced bytes per stored byte; recorded numbers compress to a third, flags and rewards further
_FREE = 64 * 2**20  # bytes that may be announced whatever is stored


def check_size(where: str, what: str, announced: int, stored: int) -> None:
    """Refuse an array that claims to unpack to far more than could be recorded data."""
    if announced > max(_FREE, _RATIO * stored):
        raise DatasetError(
            f"{where}: {what} announce {announced / 1e6:,.0f} MB and hold {stored / 1e6:,.1f} MB; "
            "no recording is like that, so nothing was read"
        )
