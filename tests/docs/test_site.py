"""The site builds without a warning, holds every public name, loads nothing from a network, and can be read."""

import importlib.util
import os
import re
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from reading import run

import dspy_dlpo
from dspy_dlpo import progress, simulation, testing, tuning

SEEN = ("index", "concepts", "choosing_settings", "costs", "faq", "extending", "api/index", "api/techniques")


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built pages."""
    if not all(map(importlib.util.find_spec, ("mkdocs", "material", "mkdocstrings"))):
        if os.environ.get("CI"):
            pytest.fail("mkdocs is not installed")
        pytest.skip('mkdocs is not installed: pip install ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = run(command, NO_MKDOCS_2_WARNING="1")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def address(site):
    """The built pages behind a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_every_public_name_has_a_place_in_the_api_pages(site):
    pages = "".join(path.read_text(encoding="utf-8") for path in (site / "api").glob("*.html"))
    for room in (dspy_dlpo, testing, tuning, simulation, progress):
        for name in room.__all__:
            assert f'id="{room.__name__}.{name}"' in pages, f"{room.__name__}.{name}"


@pytest.mark.slow
def test_the_pages_load_nothing_from_a_network(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)\b[^>]*\bsrc="((?:https?:)?//[^"]+)"', text)
        loaded += re.findall(r'<link\b[^>]*\bhref="((?:https?:)?//[^"]+)"', text)
        assert loaded == [], path.name


@pytest.mark.parametrize("width", [1400, 390])
def test_no_page_is_wider_than_the_window(address, page, width):
    page.set_viewport_size({"width": width, "height": 900})
    for name in SEEN:
        page.goto(f"{address}/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_every_picture_is_shown(address, page):
    page.goto(f"{address}/concepts.html")
    widths = page.evaluate("[...document.querySelectorAll('article img')].map(image => image.naturalWidth)")
    assert len(widths) == 8
    assert all(widths)


def test_the_pages_can_be_searched(address, page):
    page.goto(f"{address}/index.html")
    page.keyboard.press("/")
    page.keyboard.type("annealing")
    page.locator(".md-search-result__item", has_text="Annealing").first.wait_for()
