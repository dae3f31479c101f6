"""A stand-in for the Hugging Face Hub's API: repositories in memory, as far as its client asks for them here."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Hub:
    """What it has: (kind, repository) -> path -> content."""

    repos: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    token: str | None = None  # that writing needs
    address: str = ""

    def revision(self, key: tuple[str, str]) -> str:
        names = sorted((path, hashlib.sha1(content).hexdigest()) for path, content in self.repos[key].items())
        return hashlib.sha1(repr(names).encode()).hexdigest()


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve until the block ends; `hub.address` is what HF_ENDPOINT names."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, code: int, content: Any = b"", **headers: str) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.body()
            path = unquote(urlsplit(self.path).path)
            if hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
                return self.answer(401, {"error": "Invalid username or password."})
            if path == "/api/repos/create":
                asked = json.loads(body)
                kind, repo = asked.get("type") or "model", f"{asked.get('organization', 'me')}/{asked['name']}"
                known = (kind, repo) in hub.repos
                hub.repos.setdefault((kind, repo), {})
                if asked.get("private") or asked.get("visibility") == "private":
                    hub.private.add(repo)
                url = f"{hub.address}/{'datasets/' if kind == 'dataset' else ''}{repo}"
                return self.answer(409 if known else 200, {"url": url})
            if path == "/api/validate-yaml":
                return self.answer(200, {"errors": [], "warnings": []})
            kind, repo, what = re.fullmatch(
                r"/api/(model|dataset)s/([^/]+/[^/]+)/(preupload|commit)/main", path
            ).groups()
            files = hub.repos[kind, repo]
            if what == "preupload":
                modes = [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for f in json.loads(body)["files"]
                ]
                return self.answer(200, {"files": modes})
            for line in filter(None, body.splitlines()):
                said = json.loads(line)
                if said["key"] == "file":
                    files[said["value"]["path"]] = base64.b64decode(said["value"]["content"])
            sha = hub.revision((kind, repo))
            return self.answer(
                200, {"commitUrl": f"{hub.address}/{repo}/commit/{sha}", "commitOid": sha, "success": True}
            )

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            if path == "/api/datasets":
                asked_for = parse_qs(urlsplit(self.path).query)
                found = [
                    {"id": repo}
                    for kind, repo in hub.repos
                    if kind == "dataset"
                    and repo.partition("/")[0] == asked_for["author"][0]
                    and asked_for.get("search", [""])[0] in repo
                ]
                return self.answer(200, found)
            asked = re.fullmatch(r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
            file = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            if asked:
                key = (asked[1], asked[2])
            elif file:
                key = ("dataset" if file[1] else "model", file[2])
            else:
                return self.answer(404, {"error": path})
            if key not in hub.repos:
                return self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            files, sha = hub.repos[key], hub.revision(key)
            if file:
                if file[4] not in files:
                    return self.answer(
                        404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=sha
                    )
                content = files[file[4]]
                etag = f'"{hashlib.sha1(content).hexdigest()}"'
                return self.answer(200, content, ETag=etag, X_Repo_Commit=sha)
            if asked[3] == "tree":
                tree = [
                    {"type": "file", "path": p, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                    for p, c in files.items()
                ]
                return self.answer(200, tree)
            return self.answer(
                200, {"id": key[1], "sha": sha, "siblings": [{"rfilename": p} for p in files], "tags": []}
            )

        def do_HEAD(self) -> None:
            self.do_GET()

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                out = b""
                while size := int(self.rfile.readline(), 16):
                    out += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return out
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
