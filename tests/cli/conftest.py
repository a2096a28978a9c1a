import pytest
from browser import browser, page  # noqa: F401
from shell import MODULE


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a module of tasks, in which commands run."""
    (tmp_path / "my_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path
