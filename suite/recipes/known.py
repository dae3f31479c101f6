"""Fingerprints that default datasets have elsewhere, by which a machine that computes otherwise is noticed."""

from __future__ import annotations

import functools
import tomllib

from envs.data.datasets import DatasetInfo
from suite.recipes.policies import EXPERTS

__all__ = ["FILE", "differs"]

FILE = EXPERTS / "fingerprints.toml"  # written by `python benchmarks/fingerprints.py`


def differs(info: DatasetInfo) -> str | None:
    """One line, where a dataset that was built here is not what the same recipe gave elsewhere."""
    known = _known().get(info.id)
    if known in (None, info.fingerprint):
        return None
    return (
        f"{info.id}: fingerprint {info.fingerprint}, elsewhere {known}. This machine's simulator or processor computes "
        "otherwise, so compare scores on these data only with others made here"
    )


@functools.cache
def _known() -> dict[str, str]:
    """Fingerprint of each id."""
    return {str(k): str(v) for k, v in tomllib.loads(FILE.read_text(encoding="utf-8")).items()}
