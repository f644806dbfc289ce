"""Start Open WebUI with what only this installation knows: addresses, keys, document search.

usage: python3 start.py

The fixed settings are in settings.env. This adds, from the environment:

  GATEWAY_URL                    the gateway, default http://gateway:8000
  GATEWAY_API_KEY(_FILE)         its key
  WEBUI_SECRET_KEY(_FILE)        what signs the sessions; people stay signed in while it is the same
  WEBUI_ADMIN_EMAIL, WEBUI_ADMIN_PASSWORD(_FILE), WEBUI_ADMIN_NAME
                                 the administrator to create if there is no account yet; optional
  WEBUI_AUTH                     `false`: one person, no sign-in; refused unless BIND_ADDRESS is
                                 a loopback address
  EMBEDDING_MODEL                the gateway's model for document search; without it, search is off
  OPEN_WEBUI_PORT, BIND_ADDRESS, ALLOWED_HOSTS
                                 where browsers find the page, default localhost:3000

NAME_FILE names a file that holds NAME's value and is read when NAME is unset, so that no secret
stands in the container's configuration. Standard library only: it runs in any image of Open WebUI.
"""

import ipaddress
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class SettingsError(Exception):
    """A setting is missing or contradicts another; the message says what to change."""


def main() -> NoReturn:
    """Replace this process by Open WebUI's server; end with 1 when a setting is wrong."""
    try:
        environment = complete(os.environ)
    except SettingsError as error:
        sys.exit(f"open-webui: {error}")
    server = [sys.executable, "-m", "uvicorn", "served:app"]
    server += ["--host", environment["HOST"], "--port", environment["PORT"]]
    # The edge is the only caller, and says for whom it calls.
    server += ["--forwarded-allow-ips", "*"]
    os.execve(sys.executable, server, environment)  # noqa: S606 - no shell is meant


def complete(given: Mapping[str, str]) -> dict[str, str]:
    """The environment that Open WebUI starts with.

    Raises:
        SettingsError: a key is missing, or the sign-in is off where others could connect.
    """
    # Compose passes an unset knob as an empty string; Open WebUI would take it for a value.
    environment = {name: value for name, value in given.items() if value != ""}
    gateway = environment.setdefault("GATEWAY_URL", "http://gateway:8000").rstrip("/")
    key = _secret(environment, "GATEWAY_API_KEY")
    environment |= {
        "OPENAI_API_BASE_URLS": f"{gateway}/v1",
        "OPENAI_API_KEYS": key,
        "RAG_OPENAI_API_BASE_URL": f"{gateway}/v1",
        "RAG_OPENAI_API_KEY": key,
        "WEBUI_SECRET_KEY": _secret(environment, "WEBUI_SECRET_KEY"),
        "CORS_ALLOW_ORIGIN": ";".join(_origins(environment)),
    }
    if "WEBUI_ADMIN_EMAIL" in environment:
        environment["WEBUI_ADMIN_PASSWORD"] = _secret(environment, "WEBUI_ADMIN_PASSWORD")
    if environment.get("WEBUI_AUTH", "true").lower() == "false":
        _refuse_open_door(environment)
    environment |= _document_search(environment.get("EMBEDDING_MODEL"))
    environment.setdefault("HOST", "0.0.0.0")  # noqa: S104 - inside its container
    environment.setdefault("PORT", "8080")
    # The package from PyPI carries its pages inside, the official image beside itself.
    spec = find_spec("open_webui")
    if spec and spec.origin and (Path(spec.origin).parent / "frontend").is_dir():
        environment["FROM_INIT_PY"] = "true"
    here = str(Path(__file__).resolve().parent)
    path = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{here}{os.pathsep}{path}" if path else here
    return environment


def _secret(environment: Mapping[str, str], name: str) -> str:
    """The value of NAME, or the content of the file that NAME_FILE names."""
    if value := environment.get(name):
        return value
    file = environment.get(f"{name}_FILE")
    if not file:
        raise SettingsError(f"Set {name}, or {name}_FILE to a file that holds it.")
    try:
        value = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE: cannot read {file}: {error.strerror}.") from error
    if not value:
        raise SettingsError(f"{name}_FILE: {file} is empty.")
    return value


def _origins(environment: Mapping[str, str]) -> list[str]:
    """The origins a browser may use: this machine's names, or any once others may connect.

    A list cannot name every address of a network. The edge refuses a page whose origin is not the
    host it talks to, whatever is said here; this is the second lock where it can be one.
    """
    if not _loopback_only(environment) or "ALLOWED_HOSTS" in environment:
        return ["*"]
    port = environment.get("OPEN_WEBUI_PORT", "3000")
    return [f"http://{host}:{port}" for host in LOOPBACK_NAMES]


def _refuse_open_door(environment: Mapping[str, str]) -> None:
    """Without sign-in everybody who connects is the administrator, so only this machine may."""
    if not _loopback_only(environment):
        raise SettingsError(
            f"WEBUI_AUTH=false makes everybody who connects the administrator, and "
            f"BIND_ADDRESS={environment['BIND_ADDRESS']} lets other machines connect. "
            f"Change one of the two."
        )


def _loopback_only(environment: Mapping[str, str]) -> bool:
    """Whether only this machine reaches the published port."""
    address = environment.get("BIND_ADDRESS", "127.0.0.1")
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def _document_search(model: str | None) -> dict[str, str]:
    """Retrieval through the gateway's embeddings; without a model, documents go in whole."""
    if model is None:
        return {"BYPASS_EMBEDDING_AND_RETRIEVAL": "true"}
    return {"BYPASS_EMBEDDING_AND_RETRIEVAL": "false", "RAG_EMBEDDING_MODEL": model}


if __name__ == "__main__":
    main()
