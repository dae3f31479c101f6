"""The page on data of one's own: every key that is read stands there, and its example is imported as it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from command import Bench

from envs.data.formats import FORMATS, d4rl, paths

PAGE = Path(__file__).parents[3] / "docs" / "data.md"


def test_every_key_and_format_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    keys = [*d4rl.LAYOUT, *paths.OBS_KEYS, *paths._OTHER, "init_state_dict", "infos/NAME", "infos_final/NAME"]
    assert [key for key in keys if f"`{key}`" not in text] == []
    assert [name for name in FORMATS if name not in text] == []


def test_the_example_is_imported(bench: Bench, tmp_path: Path) -> None:
    code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)[0]  # of a dataset
    exec(compile(code, str(PAGE), "exec"), {})
    (line,) = re.findall(r"^bench (data import .*)$", PAGE.read_text(encoding="utf-8"), re.M)
    said = bench(*shlex.split(line), "--json")
    assert said.code == 0, said.err
    (row,) = json.loads(said.out)
    assert (row["id"], row["episodes"], row["steps"]) == ("mine/random-v0", 3, 150)
