"""The Hugging Face Hub: folders put there and fetched, datasets in the places where Minari looks for them.

Who may write is the Hub client's own matter: HF_TOKEN, or what `hf auth login` left. HF_ENDPOINT names another host.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disk.reading import read_file
from disk.shapes import ShapeError, anything, mapping, parse_json
from envs.data import minari_store
from envs.data.downloads import offline
from envs.errors import DatasetError, first_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["PREFIX", "fetch_folder", "push_dataset", "push_folder"]

PREFIX = "hub:"  # of what is named to be fetched: hub:OWNER/NAME, and @REVISION behind it
_NAMESPACE = "namespace_metadata.json"  # Minari's, one in every folder above a dataset


def push_folder(folder: Path, repo: str, kind: str, private: bool, message: str, into: str = "") -> str:
    """Put a folder's files into a repository, made if it is not there; returns its address.

    `kind` is model or dataset, `into` a folder of the repository. Raises `DatasetError` where that cannot be.
    """
    api = _client()
    _check_name(repo)
    with _said(f"{repo} cannot be written"):
        url = api.create_repo(repo, repo_type=kind, private=private or None, exist_ok=True)
        api.upload_folder(
            repo_id=repo, repo_type=kind, folder_path=folder, path_in_repo=into or None, commit_message=message
        )
    return str(url)


def fetch_folder(name: str, only: Sequence[str]) -> Path:
    """Fetch a repository of policies, `hub:OWNER/NAME` or with `@REVISION`, into the Hub client's cache.

    `only` are patterns of the files that are wanted. Raises `DatasetError` where it cannot be had.
    """
    repo, _, revision = name.removeprefix(PREFIX).partition("@")
    api = _client()
    _check_name(repo)
    with _said(f"{name} cannot be fetched"):
        return Path(str(api.snapshot_download(repo, revision=revision or None, allow_patterns=list(only))))


def push_dataset(dataset_id: str, owner: str, private: bool) -> str:
    """Put a dataset of the store where Minari looks for it below MINARI_REMOTE=hf://OWNER; returns the address.

    The first part of its id becomes the repository. Raises `DatasetError` where it is not in the store, or as above.
    """
    minari_store.check_id(dataset_id)
    if not minari_store.exists(dataset_id):
        raise DatasetError(
            f"dataset {dataset_id} is not in {minari_store.root()}; `bench list datasets` names those there"
        )
    root, _, rest = dataset_id.partition("/")
    repo, place = f"{owner}/{root}", minari_store.folder(dataset_id)
    url = push_folder(place, repo, "dataset", private, f"{dataset_id}", rest)
    api = _client()
    with _said(f"{repo} cannot be written"):
        for above in [str(part) for part in Path(rest).parents] if rest else []:
            path = _NAMESPACE if above == "." else f"{above}/{_NAMESPACE}"
            known = _namespace(api, repo, path)
            listed = sorted({*known.get("datasets", ()), dataset_id}) if above == "." else known.get("datasets", [])
            content = json.dumps({**known, "datasets": listed}, indent=1).encode()
            api.upload_file(
                path_or_fileobj=content, path_in_repo=path, repo_id=repo, repo_type="dataset", commit_message=dataset_id
            )
    return url


def _namespace(api: HfApi, repo: str, path: str) -> dict[str, Any]:
    """What is said of a namespace there; empty where nothing is."""
    from huggingface_hub.errors import EntryNotFoundError

    try:
        found = Path(api.hf_hub_download(repo, path, repo_type="dataset", force_download=True))
    except EntryNotFoundError:
        return {}
    try:
        known: Mapping[str, Any] = parse_json(read_file(found), mapping(anything))
    except ShapeError as error:
        raise DatasetError(f"{repo}: {path}: {error}; mend it there, it is Minari's list of datasets") from None
    return dict(known)


def _client() -> HfApi:
    if offline():
        raise DatasetError("BENCH_OFFLINE is set: nothing goes to the Hub or comes from it")
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise DatasetError("the Hub needs its client: pip install 'awac-bench[hub]'") from None
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="awac-bench")


def _check_name(repo: str) -> None:
    owner, slash, name = repo.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise DatasetError(f"{repo!r} names no repository of the Hub: write OWNER/NAME")


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Turn whatever the client raises into one line."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except DatasetError:
        raise
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else None
        if code in (401, 403):
            hint = "; you may not, or it is not there: `hf auth login`, or HF_TOKEN, says who you are"
        else:
            hint = "; it is not there, or not for you" if code == 404 else ""
        raise DatasetError(f"{what}: the Hub answers {code}{hint}") from None
    except Exception as error:  # of the network, below the client
        raise DatasetError(f"{what}: {first_line(error)}") from None
