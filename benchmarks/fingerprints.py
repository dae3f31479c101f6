"""Fingerprints of the default datasets of the quick profile, which every machine should give.

    python benchmarks/fingerprints.py [--only door-binary,halfcheetah]

Builds what is not in the store yet and writes `envs/experts/fingerprints.toml`. With `--only`, the other entries stay.
"""

from __future__ import annotations

import argparse
import tomllib

from disk.replace import replacing
from envs import tasks
from envs.task import NoiseRecipe, Task
from suite.experiment.resolve import sized
from suite.output import say
from suite.recipes import build
from suite.recipes.known import FILE

HEAD = "# Fingerprints of default datasets, quick profile: written by python benchmarks/fingerprints.py\n"


def built() -> list[Task]:
    """Tasks whose default datasets are played by a policy or by noise; a scripted oracle's take too long."""
    return [t for t in tasks.TASKS.values() if t.expert or isinstance(t.recipe, NoiseRecipe)]


def main() -> None:
    """Build, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="tasks, separated by commas")
    only = parser.parse_args().only
    known = tomllib.loads(FILE.read_text(encoding="utf-8")) if only else {}
    for task in [tasks.get(name) for name in only.split(",")] if only else built():
        info = build.build(sized(task, "quick"), progress=say).info
        say(f"{info.id} {info.fingerprint}")
        known[info.id] = info.fingerprint
        with replacing(FILE) as new:
            new.write_text(HEAD + "".join(f'"{k}" = "{v}"\n' for k, v in sorted(known.items())), encoding="utf-8")


if __name__ == "__main__":
    main()
