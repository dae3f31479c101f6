"""A web server for tests that breaks off, ignores ranges, or lies, as real ones do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What a server has and how it behaves."""

    files: dict[str, bytes]
    break_after: list[int] = field(default_factory=list)  # bytes sent by the first answers; later ones are whole
    ranges: bool = True
    version: str = '"1"'
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range of each
    address: str = ""


@contextlib.contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve until the block ends; `site.address` is the base address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            site.requests.append((self.path, wanted))
            body = site.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            start = 0
            if wanted and site.ranges and self.headers.get("If-Range") in (None, site.version):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(body):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body) - start))
            self.send_header("ETag", site.version)
            self.end_headers()
            rest = body[start:]
            self.wfile.write(rest[: site.break_after.pop(0)] if site.break_after else rest)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
