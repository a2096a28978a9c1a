"""A headless browser for the tests of pages: skipped where there is none, a failure where there must be one."""

import os
import shutil
from urllib.parse import urlsplit

import pytest

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# What nobody but a script in the page sets.
ATTACK = '<script>window.hacked=1</script><img src=x onerror="window.hacked=1">\'"`|[a](javascript:window.hacked=1)'


def unavailable(reason):
    if os.environ.get("CI"):
        pytest.fail(f"no browser: {reason}")
    pytest.skip(f"no browser: {reason}")


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium; no longer than a module, as an event loop runs in this thread while it is there."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        unavailable("neither chromium nor google-chrome is on the path")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page that must stay quiet: no error in the console, no other host asked, no script of a stranger run.

    Errors that a test expects it takes out of ``page.errors``.
    """
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    # On whichever page a script of a stranger runs, the console says so.
    context.add_init_script("Object.defineProperty(window, 'hacked', {set() { console.error('hacked') }})")
    page = context.new_page()
    page.errors, page.strangers = [], []
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("dialog", lambda dialog: page.errors.append(f"dialog {dialog.message}") or dialog.dismiss())
    context.on("request", lambda request: page.strangers.append(request.url) if is_strange(request.url) else None)
    yield page
    context.close()
    assert page.errors == [], page.errors
    assert page.strangers == []


def is_strange(url):
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob", "about", "file") and parts.hostname != "127.0.0.1"
