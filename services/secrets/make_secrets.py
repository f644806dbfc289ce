"""Make the stack's secrets: one file each, made once, kept for good.

usage: make_secrets.py FOLDER

Writes FOLDER/gateway/api-key, FOLDER/chainlit/auth-secret, FOLDER/open-webui/secret-key and
FOLDER/grafana/admin-password where they are absent. A key of the user's own, in GATEWAY_API_KEY,
replaces a generated one. Nothing secret is printed. Exit codes: 0 fine, 1 a key cannot be used,
2 wrong usage.
"""
# ruff: noqa: T201 - a script of its own, whose output is its log

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundry_common import values
from foundry_common.values import ValueRefusedError

GENERATED_BYTES = 32


@dataclass(frozen=True)
class Secret:
    """One secret: where it lies, and the setting by which a user may choose it."""

    path: str
    setting: str = ""


SECRETS = (
    Secret("gateway/api-key", setting="GATEWAY_API_KEY"),
    Secret("chainlit/auth-secret"),
    Secret("open-webui/secret-key"),
    Secret("grafana/admin-password"),
)


class UnusableSecretError(ValueError):
    """A value the user chose cannot serve as the secret."""


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Make what is missing; returns the exit code."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    try:
        for secret in SECRETS:
            print(f"{secret.path}: {provide(secret, folder, environment)}")
    except UnusableSecretError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def provide(secret: Secret, folder: Path, environment: Mapping[str, str]) -> str:
    """Make sure a secret's file is there; returns what was done, in a word or two.

    Raises:
        UnusableSecretError: the user's own value, or the one that is kept, cannot serve.
    """
    path = folder / secret.path
    present = path.read_text() if path.exists() else ""
    own = environment.get(secret.setting, "").strip() if secret.setting else ""
    if own:
        check(secret.setting, own, "Change it in .env, or remove it there to have one generated.")
    elif present and secret.setting:
        check(secret.setting, present, f"It is the one kept so far: set {secret.setting} in .env.")
    if own and own != present:
        write(path, own)
        return "taken from " + secret.setting
    if present:
        return "kept"
    write(path, secrets.token_urlsafe(GENERATED_BYTES))
    return "generated"


def check(setting: str, value: str, remedy: str) -> None:
    """Refuse a value that would fail later, where the reason is harder to see.

    Raises:
        UnusableSecretError: with what is wrong and what to do.
    """
    try:
        values.api_key(value)
    except ValueRefusedError as refused:
        raise UnusableSecretError(f"{setting}: {refused}. {remedy}") from None


def write(path: Path, value: str) -> None:
    """Put a value in place whole: a reader sees the old file or the new one, never half of it."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(value)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
