"""A plan's departures, down to the processes that carry them out."""

from __future__ import annotations

import itertools
from pathlib import Path

import toy_run

from suite.experiment.request import Request
from suite.experiment.resolve import resolve_all
from suite.plans import read as plans
from suite.plans.cells import planned

PLAN = f"""
title = "one method alone"
[[grid]]
algos = ["awac", "abm", "bc"]
envs = ["{toy_run.TASK.id}"]
datasets = ["{toy_run.DATA}"]
[grid.set]
"awac.temperature" = {{ value = 7, source = "of AWAC alone" }}
tau = {{ value = 0.3, source = "of all" }}
"""


def test_a_setting_for_one_algorithm_alone_reaches_its_process(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(PLAN)
    with toy_run.registered():
        cells = {c.entry.algo: c.experiment for c in planned(plans.load(str(tmp_path / "own.toml")), "smoke", (0,))}
        for algo, cell in cells.items():
            assert cell is not None
            words = cell.request.words()
            sets = [word for flag, word in itertools.pairwise(words) if flag == "--set"]
            assert ("awac.temperature=7 # of AWAC alone" in sets) == (algo == "awac")
            assert "tau=0.3 # of all" in sets
            given = dict(zip(words[1::2], words[2::2], strict=True))
            (again,) = resolve_all(
                Request.parse(
                    algo=given["--algo"],
                    env=given["--env"],
                    seeds=given["--seeds"],
                    profile=given["--profile"],
                    name=given["--name"],
                    dataset=given["--dataset"],
                    set_=sets,
                )
            )
            assert again.hash == cell.hash
    assert cells["awac"].settings["temperature"]["value"] == 7
    assert cells["abm"].settings["temperature"]["value"] != 7
