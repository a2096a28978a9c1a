import sys

import dspy
import pytest
from browser import browser, page  # noqa: F401
from shell import MODULE


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a module of tasks, in which commands run; what one leaves in this process is undone."""
    (tmp_path / "my_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    lm = dspy.settings.lm
    yield tmp_path
    sys.modules.pop("my_module", None)
    dspy.configure(lm=lm)
