"""Shapes of the JSON files of a run folder. Entries that earlier versions did not write may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from disk.shapes import anything, either, line, listing, mapping, nothing, number, plain, table, text, truth, whole

__all__ = ["BY_HAND", "RUN", "STATUS", "by_hand"]

BY_HAND = "--set"  # the source of a setting that a user or a suite set; a reason given with it follows a colon

_SOME_TEXT = either(line, nothing)
_SEED = whole(0)  # older records hold larger ones than --seeds takes today
_COUNTS = {"episodes": whole(0), "steps": whole(0)}
_THREADS = whole(1, 4096)  # of torch, which takes any number and then dies of some

RUN = table(
    {"algo": line, "task": line, "seeds": listing(_SEED)},
    {
        "profile": line,
        "preset": line,
        "preset_file": table({"path": text, "content": mapping(anything)}),
        "name": line,
        "hash": line,
        "settings": mapping(table({"value": plain, "source": text})),
        "success_rule": _SOME_TEXT,
        "horizon": whole(1),
        "reward_range": listing(either(number(), nothing), 2, 2),
        "offline_only": truth,
        "metrics": mapping(text),
        "dataset": table(
            {},
            {"asked": _SOME_TEXT, "id": _SOME_TEXT, "fingerprint": _SOME_TEXT, "episodes": whole(0), "steps": whole(0)},
        ),
        "versions": mapping(text),
        "device": table({}, {"kind": line, "threads": _THREADS, "name": line, "compiled": truth}),
        "command": listing(text),
        "revision": _SOME_TEXT,
        "created": line,
        "checksum": _SOME_TEXT,
    },
)

STATUS = table(
    {},
    {
        "state": line,
        "phase": line,
        "env_step": whole(),
        "update": whole(),
        "message": text,
        "seconds": mapping(number()),
        "updates_per_second": number(),
        "sums": mapping(text),
    },
)


def by_hand(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of the settings in run.json those that a user or a suite set: name -> value, "none" where there is none."""
    return {
        name: "none" if setting["value"] is None else setting["value"]
        for name, setting in settings.items()
        if str(setting.get("source", "")).startswith(BY_HAND)
    }
