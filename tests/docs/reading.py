"""The pages as texts."""

import os
import subprocess
from pathlib import Path

from waiting import PATIENCE

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]


def text_of(path):
    return path.read_text(encoding="utf-8")


def name_of(path):
    return str(path.relative_to(ROOT))


def run(command, folder=ROOT, **variables):
    # DSPy and LiteLLM carry tables of prices, and would fetch newer ones.
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **variables}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=PATIENCE, env=environment)
