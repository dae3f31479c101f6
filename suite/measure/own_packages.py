"""The suite's own top-level packages, whose names others use as well: taken from elsewhere, or written over?"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import shlex
import tomllib
from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = [
    "DISTRIBUTION",
    "OURS",
    "ROOT",
    "another_clone",
    "claimed",
    "install",
    "pip_install",
    "reinstall",
    "shadowed",
    "written_over",
]

DISTRIBUTION = "awac-bench"
ROOT = Path(__file__).resolve().parents[2]  # of the clone, or where pip has put us
OURS = ("algos", "disk", "envs", "reports", "suite")


def shadowed(names: Sequence[str] = OURS) -> dict[str, str]:
    """Our packages that Python takes from elsewhere than this module: name -> file, or `nowhere`."""
    found = {name: importlib.util.find_spec(name) for name in names}
    places = {name: spec.origin if spec and spec.origin else "nowhere" for name, spec in found.items()}
    return {name: place for name, place in places.items() if ROOT not in Path(place).resolve().parents[1:2]}


def claimed() -> dict[str, list[str]]:
    """Other distributions that install a package of one of our names: name -> distributions."""
    by_package = packages_distributions()
    found = {name: [d for d in by_package.get(name, ()) if _normal(d) != DISTRIBUTION] for name in OURS}
    return {name: sorted(set(others)) for name, others in found.items() if others}


def written_over(own: Distribution | None = None) -> list[str]:
    """Files of our packages that are not what the installation wrote, by the checksums that it left.

    Empty where it left none, as an editable installation does.
    """
    try:
        own = own or distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return []
    ours = [(file, file.hash.value) for file in own.files or () if file.parts[0] in OURS and file.hash]
    return [str(file) for file, known in ours if _digest(Path(str(own.locate_file(file)))) != known]


def reinstall(own: Distribution | None = None) -> str:
    """The command that writes our own files again: pip leaves alone what it thinks is there."""
    return pip_install("--force-reinstall", "--no-deps", *_source(own))


def install(extra: str = "", clone: Path = ROOT) -> str:
    """The command that installs us, with all that we need and what an extra brings.

    It names the clone, where there is one: pip takes an older version of us, which needed less, for what is asked for.
    """
    more = f"[{extra}]" if extra else ""
    named = ["-e", f"{clone}{more}"] if _is_ours(clone) else [f"{DISTRIBUTION}{more}"]
    return pip_install(*named, clone=clone)


def another_clone() -> Path | None:
    """The clone that one stands in, where this module is not of it: what runs is what was installed elsewhere."""
    try:
        here = Path.cwd()
    except OSError:  # it is gone
        return None
    clone = next((place for place in (here, *here.parents) if _is_ours(place)), None)
    return None if clone == ROOT else clone


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a clone of this suite."""
    try:
        facts = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(facts.get("project", {}).get("name") == DISTRIBUTION)


def pip_install(*words: str, clone: Path = ROOT) -> str:
    """A `pip install`, at the versions that the suite is tested with where their list is at hand: in a clone."""
    tested = clone / "constraints.txt"
    pins = ["-c", str(tested)] if tested.is_file() else []
    return shlex.join(["pip", "install", *pins, *words])


def _source(own: Distribution | None = None) -> list[str]:
    """What to name for pip so that it installs us from where we came: a clone, a wheel, or an index."""
    try:
        installed = own or distribution(DISTRIBUTION)
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        origin = {}
    url = urlsplit(str(origin.get("url", "")))
    if url.scheme != "file":
        return [f"{DISTRIBUTION} @ {url.geturl()}" if url.scheme else DISTRIBUTION]
    return [*(["-e"] if origin.get("dir_info", {}).get("editable") else []), url2pathname(url.path)]


def _digest(path: Path) -> str:
    """SHA-256 as a RECORD has it; empty where the file is gone."""
    if not path.is_file():
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")
