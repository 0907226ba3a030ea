"""A real browser for tests of pages: Debian's Chromium without a window, driven by Playwright.

``browser`` is a fixture of every test (conftest.py hands it on): a ``playwright.sync_api.Browser``. A test opens a page
of its own with ``browser.new_page()`` and closes it. The fixture lives as long as a module's tests and not longer,
because Playwright's event loop would be in the way of any other one of the same thread.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", "--hide-scrollbars")
"""No sandbox, because containers do not allow one; one colour profile, because pixels are measured."""
START_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window. Where it is missing tests are skipped with a reason, but fail if CI is set."""
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("the Python package playwright is missing; the extra dev has it")
    if program is None:
        _missing(
            f"none of {', '.join(CHROMIUMS)} is on the PATH; as root, make browser installs it on Debian"
        )
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=list(ARGUMENTS), timeout=START_MS)
        yield chromium
        chromium.close()


def _missing(reason: str) -> None:
    """Skip, with the reason; under continuous integration nothing may be left out."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"pages cannot be tested: {reason}", pytrace=False)
    pytest.skip(reason)
