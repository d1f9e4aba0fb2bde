from __future__ import annotations

from pathlib import Path

import pytest

from common.video import VideoWriter
from tests.common.video_files import bar


@pytest.fixture
def film(tmp_path) -> Path:
    """Twelve frames of the bar at 12 frames a second, as a writer leaves them."""
    with VideoWriter(tmp_path / "film.mp4", fps=12) as writer:
        for index in range(12):
            writer.add(bar(index))
    return writer.path
