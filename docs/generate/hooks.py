"""What mkdocs calls to build the site: pages of methods are added, tables of facts filled in, links made to fit.

A written page links to files of the repository as a reader of the repository follows them (`../CONTRIBUTING.md`). In
the site, Markdown files outside of docs/ are pages under `repository/`; anything else is its path, without a link.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from facts import FACTS, MARK
from method_page import methods, page, title
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from scores import scores

__all__ = ["on_config", "on_files", "on_page_markdown"]

ROOT = Path(__file__).parents[2]
INDEX = "methods/index.md"
OUTSIDE = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "benchmarks/profile.md",
    "benchmarks/scores.md",
    "benchmarks/results/faults.md",
    "envs/experts/README.md",
    *sorted(f"benchmarks/results/{file.name}" for file in (ROOT / "benchmarks/results").glob("*.svg")),
)
_COMMENT = re.compile(r"<!--.*?-->\n*", re.S)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of methods and the repository's own pages into the navigation."""
    pages = [{title(method): f"methods/{method.name}.md"} for method in methods()]
    nav: list[Any] = config.nav or []
    _replace(nav, INDEX, {"Methods": [{"All of them": INDEX}, *pages]})
    nav.append({"Repository": [f"repository/{path}" for path in OUTSIDE if path.endswith(".md")]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages that no file in docs/ holds."""
    found = scores()
    for method in methods():
        files.append(File.generated(config, f"methods/{method.name}.md", content=page(method, found)))
    for path in OUTSIDE:
        files.append(File.generated(config, f"repository/{path}", content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in tables of facts, and make links of the repository links of the site."""
    source = page.file.src_uri
    found = scores() if MARK.search(markdown) else []

    def fact(match: re.Match[str]) -> str:
        if match[1] not in FACTS:
            raise PluginError(f"{source}: no facts are called {match[1]!r}; there are {', '.join(FACTS)}")
        here = posixpath.relpath("methods", posixpath.dirname(source) or ".")
        return FACTS[match[1]](found).replace("](methods/", f"]({here}/")

    whole = _COMMENT.sub("", MARK.sub(fact, markdown))
    return _LINK.sub(lambda match: _link(match, source), whole)


def _replace(nav: list[Any], path: str, by: dict[str, Any]) -> None:
    """Replace the entry of a page, wherever it stands."""
    for number, entry in enumerate(nav):
        (value,) = entry.values()
        if value == path:
            nav[number] = by
        elif isinstance(value, list):
            _replace(value, path, by)


def _link(match: re.Match[str], source: str) -> str:
    """A link as the site has it."""
    image, text, target, anchor = match[1], match[2], match[3], match[4] or ""
    if ":" in target:
        return match[0]
    outside = source.removeprefix("repository/")
    here = posixpath.dirname(outside if outside != source else f"docs/{source}")
    path = posixpath.normpath(posixpath.join(here, target))
    if path.startswith("docs/"):
        path = path.removeprefix("docs/")
    elif path in OUTSIDE:
        path = f"repository/{path}"
    elif (ROOT / path).exists():
        return text if text.startswith("`") else f"{text} (`{path}`)" if text != path else f"`{path}`"
    else:
        return match[0]  # which mkdocs refuses
    return f"{image}[{text}]({posixpath.relpath(path, posixpath.dirname(source) or '.')}{anchor})"
