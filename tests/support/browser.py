"""A real browser, for tests of the page; without one they are skipped."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextmanager
def started():
    """The browser, as playwright gives it."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no test in a browser")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on the path: no test in a browser")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to run as root with its sandbox
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@contextmanager
def watched(browser, address, **options):
    """A tab at an address; fails if it asks the network for anything or writes to the console."""
    tab = browser.new_page(**options)
    said, asked = [], []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url[:60]))
    tab.goto(address)
    yield tab
    assert said == []
    assert [url for url in asked if url != address[:60] and not url.startswith("data:image/")] == []
    tab.close()
