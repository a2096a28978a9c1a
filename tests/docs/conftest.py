"""A browser for the tests of the built pages."""

from browser import browser, page  # noqa: F401
