"""Puts local model directories into the runtime's model cache without copying, where possible.

The runtime finds a model at ``<cache>/<publisher>/<name>/`` and knows it by an
``inference_model.json`` there. A user's directory may be mounted read-only, so the folder is made
in the cache and its files are links to the originals: symbolic where the system allows them,
hard links otherwise (Windows without the symlink privilege), copies as the last resort.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from foundry_host.catalog_entry import PUBLISHER

if TYPE_CHECKING:
    from pathlib import Path

    from foundry_host.model_directory import LocalModel

#: Marks folders that this module made, the only ones that it ever removes.
MARKER = ".foundry-host"

_INFERENCE_MODEL = "inference_model.json"


def place_models(cache_dir: Path, models: list[LocalModel]) -> None:
    """Make exactly ``models`` available under ``cache_dir``; forget those of an earlier start.

    Raises:
        OSError: The cache cannot be written.
    """
    publisher_dir = cache_dir / PUBLISHER
    publisher_dir.mkdir(parents=True, exist_ok=True)
    wanted = {model.name for model in models}
    for stale in publisher_dir.iterdir():
        if stale.name not in wanted and (stale / MARKER).exists():
            shutil.rmtree(stale)
    for model in models:
        _place(publisher_dir / model.name, model)


def _place(target: Path, model: LocalModel) -> None:
    if target.is_dir():
        if not (target / MARKER).exists():
            # Somebody put a whole model here by hand: it is theirs, and it is what they want.
            return
        shutil.rmtree(target)
    target.mkdir()
    (target / MARKER).write_text(f"{model.path}\n", encoding="utf-8")
    for source in sorted(p for p in model.path.rglob("*") if p.is_file()):
        relative = source.relative_to(model.path)
        if relative.name in {_INFERENCE_MODEL, MARKER}:
            continue
        destination = target / relative
        destination.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(source, destination)
    (target / _INFERENCE_MODEL).write_text(json.dumps({"Name": model.variant}), encoding="utf-8")


def link_or_copy(source: Path, destination: Path) -> None:
    """Make ``destination`` hold what ``source`` holds, by the cheapest means the system permits."""
    try:
        destination.symlink_to(source)
    except OSError:
        try:
            os.link(source, destination)
        except OSError:
            shutil.copyfile(source, destination)
