from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def open_tmp_path() -> Iterator[Path]:
    """A fresh folder that every user of this machine reaches; pytest's own are closed."""
    path = Path(tempfile.mkdtemp(prefix="foundry-chat-tests-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)
