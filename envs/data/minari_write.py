"""How datasets enter the local Minari store, written here or downloaded: complete, or not at all.

Files arrive in a hidden folder of the store, which Minari's own tools skip, and are renamed into place in the
end. Minari by itself leaves a folder that looks like a dataset when it is interrupted, and retries for half a
minute when there is no network; here the network is tried first.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import minari
from minari.data_collector.episode_buffer import EpisodeBuffer

from disk.replace import folder_for, replacing
from disk.room import reserve
from disk.trouble import unwritten
from envs import plugins
from envs.data.downloads import offline
from envs.data.files import one_error
from envs.data.hdf5 import full_disk_raises
from envs.data.minari_store import exists, folder, root
from envs.errors import DatasetError, first_line

__all__ = ["create", "download", "minari_root", "not_stored", "publish", "staging_folder"]

STAGING = ".awac-bench-new-"
DOWNLOADS = ".awac-bench-download"  # kept when a download breaks off, so that the next one resumes it
LEFTOVER_SECONDS = 24 * 3600.0
NETWORK_SECONDS = 3.0
# bytes of a file that are not its numbers, such as names and sizes; some 2,000 and 2,000 were seen
_PER_EPISODE, _PER_ARRAY = 1 << 13, 1 << 12
_root_lock = threading.Lock()


def create(
    dataset_id: str,
    buffers: Sequence[EpisodeBuffer],
    env_id: str,
    extra: Mapping[str, Any],
    description: str | None = None,
) -> None:
    """Write a dataset so that it appears in the store complete or not at all.

    `extra` joins its metadata. If the id is there already, or appears while this one is being written, the
    existing dataset stays and this one is dropped.
    """
    if exists(dataset_id):
        return
    try:
        _remove_leftovers()
        with staging_folder() as staging:
            reserve(staging, sum(_bytes(vars(buffer)) + _PER_EPISODE for buffer in buffers))
            _write(staging, dataset_id, buffers, env_id, extra, description)
            publish(staging, dataset_id)
    except (OSError, RuntimeError) as error:  # RuntimeError: of HDF5, as it closes a file on a full disk
        raise DatasetError(not_stored(f"dataset {dataset_id}", error)) from None


def _bytes(value: Any) -> int:
    """Bytes of the arrays and numbers in nested lists and mappings, as HDF5 writes them, at most."""
    if isinstance(value, Mapping):
        return sum(_bytes(part) + _PER_ARRAY for part in value.values())
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    return int(getattr(value, "nbytes", 8))


def not_stored(what: str, error: BaseException) -> str:
    """One line on a dataset, or on several, that the store's folder did not take: where, why, and what to do."""
    return unwritten(f"{what} to {root()}", error, "choose another folder with MINARI_DATASETS_PATH")


def download(dataset_id: str) -> None:
    """Bring a dataset of Minari's remote into the store; raises `DatasetError` with the reason."""
    _check_reachable()
    staging = root() / DOWNLOADS
    try:
        staging.mkdir(parents=True, exist_ok=True)
        with minari_root(staging), _quiet():
            # Minari takes any folder of that name for a finished download unless it is forced
            minari.download_dataset(dataset_id, force_download=(staging / dataset_id).exists())
        publish(staging, dataset_id)
    except Exception as error:  # whatever the remote's client raises
        raise DatasetError(first_line(error)) from None


def _write(
    staging: Path,
    dataset_id: str,
    buffers: Sequence[EpisodeBuffer],
    env_id: str,
    extra: Mapping[str, Any],
    description: str | None,
) -> None:
    env = plugins.make(env_id)
    try:
        with minari_root(staging), one_error(), full_disk_raises(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Minari asks for an author, a permalink, ...
            made = minari.create_dataset_from_buffers(dataset_id, list(buffers), env=env, description=description)
            made.storage.update_metadata(dict(extra))
    finally:
        env.close()
    for path in (staging / dataset_id / "data").iterdir():
        with path.open("rb+") as f:  # else the rename may reach the disk before the data
            os.fsync(f.fileno())


def publish(staging: Path, dataset_id: str) -> None:
    """Rename a finished dataset into the store, with the namespace files that Minari keeps above it."""
    target = folder(dataset_id)
    with folder_for(target), contextlib.ExitStack() as undone:
        for part in Path(dataset_id).parents:
            source, copy = (base / part / "namespace_metadata.json" for base in (staging, root()))
            if source.exists() and not copy.exists():
                with replacing(copy) as new:
                    shutil.copyfile(source, new)
                undone.callback(copy.unlink, missing_ok=True)
        try:
            (staging / dataset_id).rename(target)
        except OSError:
            if not exists(dataset_id):  # else somebody was quicker, and theirs is used
                raise
        undone.pop_all()


@contextlib.contextmanager
def staging_folder() -> Iterator[Path]:
    """Make a hidden folder of the store for a dataset that is being written, and delete it afterwards."""
    with folder_for(root() / STAGING):
        path = Path(tempfile.mkdtemp(prefix=STAGING, dir=root()))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _remove_leftovers() -> None:
    """Delete folders that killed processes left; the age limit spares those still written to, on other machines too."""
    for path in root().glob(f"{STAGING}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def minari_root(path: Path) -> Iterator[None]:
    """Point Minari at another store, one at a time: it takes the folder from the environment only."""
    with _root_lock:
        before = os.environ.get("MINARI_DATASETS_PATH")
        os.environ["MINARI_DATASETS_PATH"] = str(path)
        try:
            yield
        finally:
            if before is None:
                del os.environ["MINARI_DATASETS_PATH"]
            else:
                os.environ["MINARI_DATASETS_PATH"] = before


def _check_reachable() -> None:
    """Raise when the remote may not or cannot be used, before its client starts to retry."""
    if offline():
        raise DatasetError("BENCH_OFFLINE is set")
    if not os.environ.get("MINARI_REMOTE", "hf://").startswith("hf://"):
        return
    if importlib.util.find_spec("huggingface_hub") is None:
        raise DatasetError("huggingface_hub is not installed")
    host, port = _first_hop(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    if not _connects(host, port):
        raise DatasetError(f"no network: {host} does not answer")


def _first_hop(address: str) -> tuple[str, int]:
    """Host and port to connect to for `address`: its own, or those of the proxy that the user has set."""
    url = urlsplit(address)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(url.hostname or ""):
        url = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _connects(host: str, port: int) -> bool:
    """Whether a connection succeeds in time. In a thread, as resolving a name obeys no timeout."""
    answered = threading.Event()

    def attempt() -> None:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=NETWORK_SECONDS):
            answered.set()

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(NETWORK_SECONDS)
    return answered.is_set()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send Minari's messages to stderr, so that --json stays clean; retries and warnings are not shown."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # a logger's own level would be set anew when the client is imported
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
