"""The models of the user's own: every ONNX Runtime GenAI model directory in one folder.

What cannot be served is told with what was expected, what was found, and what to do, before the
runtime is asked: of a file that it may not read it says that it does not exist.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from foundry_common import remedies
from foundry_common.remedies import Place
from foundry_host.errors import ModelDirectoryError, SettingsError
from foundry_host.model_directory import CONFIG, LocalModel, is_alias, read_model_directory

if TYPE_CHECKING:
    from pathlib import Path

    from foundry_host.settings import Settings

_HERE = Place("localhost", ours=True)
_EMPTY = "it is empty"
_GIVE = f"Give a folder that holds model folders, each with a {CONFIG}, or one of those."


def scan_models_directory(
    root: Path, where: Place = _HERE, shown: str = ""
) -> tuple[list[LocalModel], list[ModelDirectoryError]]:
    """Describe every model directory directly under ``root``.

    Args:
        root: Holds model directories, or is one itself (it holds ``genai_config.json``).
        where: Which Foundry Local is to serve them, for the remedies.
        shown: What the reader calls ``root``; its own name by default.

    Returns:
        The models that can be served, and one message for each directory that cannot. Plain files
        and hidden directories are passed over in silence.

    Raises:
        ModelDirectoryError: There is nothing in it that could be a model.
    """
    shown = shown or str(root)
    try:
        candidates = _candidates(root)
    except PermissionError:
        remedy = remedies.load_failed("permission", where, shown)
        raise ModelDirectoryError(root, "it may not be read", remedy) from None
    models: list[LocalModel] = []
    problems: list[ModelDirectoryError] = []
    for candidate in candidates:
        folder = shown if candidate == root else f"{shown.rstrip('/')}/{candidate.name}"
        try:
            _require_readable(candidate, folder, where)
            models.append(read_model_directory(candidate))
        except ModelDirectoryError as error:
            problems.append(error)
        except OSError as error:
            problem = f"{error.strerror or error}"
            problems.append(ModelDirectoryError(candidate, problem, "Copy the model again."))
    return models, problems


def place_of(settings: Settings) -> Place:
    """Where the Foundry Local of these settings is, for the remedies."""
    return Place(
        "localhost",
        settings.addresses[0].port,
        embedded=settings.embedded,
        system=remedies.host_system(),
        ours=True,
    )


def own_models(settings: Settings) -> tuple[list[LocalModel], list[ModelDirectoryError]]:
    """Describe the models of the user's own.

    Returns:
        As ``scan_models_directory``; nothing where no directory is set.

    Raises:
        SettingsError: One is set, but nothing in it can be served.
    """
    root = settings.models_dir
    if root is None:
        return [], []
    name = "EMBEDDED_MODELS_DIR" if settings.embedded else "--models-dir"
    shown = settings.own_models if settings.embedded else str(root)
    try:
        found, broken = scan_models_directory(root, place_of(settings), shown)
    except ModelDirectoryError as error:
        # Docker makes a bind mount's folder where there is none, and it is empty then.
        maybe = ", or did not exist" if settings.embedded and error.problem == _EMPTY else ""
        raise SettingsError(f"{name}={shown}: {error.problem}{maybe}.", error.remedy) from None
    if broken and not found and not settings.embedded:
        raise SettingsError(f"{name}: {broken[0].message}", broken[0].remedy)
    return found, broken


def _candidates(root: Path) -> list[Path]:
    """The directories that may be models; at least one."""
    if not root.exists():
        raise ModelDirectoryError(root, "there is no such folder", _GIVE)
    if not root.is_dir():
        raise ModelDirectoryError(root, "it is a file, not a folder", _GIVE)
    inside = sorted(root.iterdir())
    if not inside:
        raise ModelDirectoryError(root, _EMPTY, _GIVE)
    if (root / CONFIG).is_file():
        return [root]
    folders = [one for one in inside if one.is_dir() and not one.name.startswith(".")]
    if not folders:
        raise ModelDirectoryError(root, f"no folder in it holds a model ({CONFIG})", _GIVE)
    if not any(_holds_config(one) for one in folders):
        inner = [*root.glob(f"*/*/{CONFIG}"), *root.glob(f"*/*/*/{CONFIG}")]
        deeper = min(inner, default=None)
        below = deeper.parent.parent.relative_to(root).as_posix() if deeper else ""
        remedy = f"A model is deeper inside: give its folder {below}." if deeper else _GIVE
        raise ModelDirectoryError(root, f"no folder in it holds a model ({CONFIG})", remedy)
    return folders


def is_meant_as_model(path: Path) -> bool:
    """Whether a directory that cannot be served has a model's settings, and a usable name."""
    return is_alias(path.name) and _holds_config(path)


def _holds_config(folder: Path) -> bool:
    try:
        return (folder / CONFIG).is_file()
    except PermissionError:
        return True  # for all that can be told


def _require_readable(path: Path, folder: str, where: Place) -> None:
    """Every file must be readable: of some the runtime says only that they do not exist."""
    unreadable = next(
        (
            one
            for one in (path, *sorted(path.rglob("*")))
            if not os.access(one, os.R_OK | (os.X_OK if one.is_dir() else 0))
        ),
        None,
    )
    if unreadable is not None:
        what = "it" if unreadable == path else unreadable.name
        raise ModelDirectoryError(
            path, f"{what} may not be read", remedies.load_failed("permission", where, folder)
        )
