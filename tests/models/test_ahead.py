"""Libraries are imported ahead in a thread, once, and a loader waits for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys, threading
from models import ahead
ahead.wait()  # nobody has begun
ahead.LIBRARIES = ("no_such_library", "xml.etree.ElementTree")
assert "xml.etree.ElementTree" not in sys.modules
for _ in range(3):
    ahead.import_ahead()
ahead.wait()
assert "xml.etree.ElementTree" in sys.modules
assert len(ahead._threads) == 1
"""


def test_libraries_are_imported_once_and_waited_for():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]


def test_all_libraries_exist_under_these_names():
    import importlib

    from models import ahead

    for name in ahead.LIBRARIES:
        importlib.import_module(name)
