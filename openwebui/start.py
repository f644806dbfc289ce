"""Start Open WebUI with what only this installation knows: addresses, keys, document search.

usage: python3 start.py

The fixed settings are in settings.env. This adds, from the environment:

  GATEWAY_URL                    the gateway, default http://gateway:8000
  GATEWAY_API_KEY(_FILE)         its key
  WEBUI_SECRET_KEY(_FILE)        what signs the sessions; people stay signed in while it is the same
  WEBUI_ADMIN_EMAIL, WEBUI_ADMIN_PASSWORD(_FILE), WEBUI_ADMIN_NAME
                                 the administrator to create if there is no account yet; optional
  WEBUI_AUTH                     no: one person, no sign-in; refused unless BIND_ADDRESS is a
                                 loopback address
  EMBEDDING_MODEL                the gateway's model for document search; without it, search is off
  OPEN_WEBUI_PORT, BIND_ADDRESS  where browsers find the page, default port 3000 of loopback

An on/off setting, Open WebUI's own included, takes yes, true, on, 1 or no, false, off, 0 and
nothing else; Open WebUI itself would take every word but one for the opposite. NAME_FILE names a
file that holds NAME's value and is read when NAME is unset, so that no secret stands in the
container's configuration. Standard library only: it runs in any image of Open WebUI.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from foundry_common import values
from foundry_common.env import Reader, SettingsError

SWITCHES = re.compile(
    r"(?:ENABLE|BYPASS|USER_PERMISSIONS)_\w+|\w+_(?:AUTO_UPDATE|TRUST_REMOTE_CODE|OFFLINE|SECURE)"
    r"|WEBUI_AUTH|OFFLINE_MODE|SAFE_MODE|RESET_CONFIG_ON_START|DO_NOT_TRACK|SCARF_NO_ANALYTICS"
    r"|ANONYMIZED_TELEMETRY|PDF_EXTRACT_IMAGES|RAG_FULL_CONTEXT|RAG_SYSTEM_CONTEXT"
    r"|SHOW_ADMIN_DETAILS|REQUESTS_VERIFY|WEB_SEARCH_TRUST_ENV|AIOHTTP_CLIENT_ALLOW_REDIRECTS"
    r"|OAUTH_(?:AUTO_REDIRECT|MERGE_ACCOUNTS_BY_EMAIL|UPDATE_\w+_ON_LOGIN)|MFA_ALLOW_\w+_BYPASS"
    r"|LDAP_(?:USE_TLS|VALIDATE_CERT)|WHISPER_(?:MULTILINGUAL|VAD_FILTER)"
)
"""Names of on/off settings: of Open WebUI itself, and of the libraries that it brings along."""
DIGITS = frozenset({"HF_HUB_OFFLINE"})
"""Handed on as 1 or 0; every other reader understands true and false."""


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
        SettingsError: a value cannot be used, a key is missing, or the sign-in is off where others
            could connect.
    """
    # Compose passes an unset knob as an empty string; Open WebUI would take it for a value.
    environment = {
        name: value
        for name, value in given.items()
        # It calls the gateway and nobody else; a proxy from Docker's settings cannot do that.
        if value.strip() and not name.lower().endswith("_proxy")
    }
    read = Reader(environment)
    environment |= _switches(read, environment)
    gateway = read.or_else("GATEWAY_URL", values.origin, "http://gateway:8000")
    key = _secret(read, "GATEWAY_API_KEY", values.api_key)
    environment |= {
        "GATEWAY_URL": gateway,
        "OPENAI_API_BASE_URLS": f"{gateway}/v1",
        "OPENAI_API_KEYS": key,
        "RAG_OPENAI_API_BASE_URL": f"{gateway}/v1",
        "RAG_OPENAI_API_KEY": key,
        "WEBUI_SECRET_KEY": _secret(read, "WEBUI_SECRET_KEY"),
        # The page calls its own origin, which needs no leave; no other page gets any. Sockets are
        # judged by served.py.
        "CORS_ALLOW_ORIGIN": f"http://localhost:{_port(read)}",
    }
    environment |= _administrator(read, environment)
    if not _loopback_only(read) and environment.get("WEBUI_AUTH") == "false":
        _refuse_open_door(read)
    environment |= _document_search(read.value("EMBEDDING_MODEL", values.model_name))
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


def _switches(read: Reader, environment: Mapping[str, str]) -> dict[str, str]:
    """Every on/off setting in the form that its reader understands."""
    found = {}
    for name in environment:
        if SWITCHES.fullmatch(name):
            words = ("1", "0") if name in DIGITS else ("true", "false")
            found[name] = words[0] if read.switch(name, default=False) else words[1]
    return found


def _secret(read: Reader, name: str, rule: Callable[[str], str] = str) -> str:
    """The value of NAME, or the content of the file that NAME_FILE names."""
    value = read.secret(name, rule)
    if value is None:
        raise SettingsError(name, f"set it, or {name}_FILE to a file that holds it")
    return value


def _administrator(read: Reader, environment: Mapping[str, str]) -> dict[str, str]:
    """The administrator to create, if one is named at all."""
    email = read.value("WEBUI_ADMIN_EMAIL", values.email)
    if email is None:
        return {}
    password = _secret(read, "WEBUI_ADMIN_PASSWORD", values.password)
    # As it was written: a blank at its end is a part of a password.
    password = environment.get("WEBUI_ADMIN_PASSWORD", password)
    return {"WEBUI_ADMIN_EMAIL": email, "WEBUI_ADMIN_PASSWORD": password}


def _port(read: Reader) -> int:
    """Where browsers find the page."""
    return read.integer("OPEN_WEBUI_PORT", 3000, least=1, most=65_535)


def _refuse_open_door(read: Reader) -> NoReturn:
    """Without sign-in everybody who connects is the administrator, so only this machine may."""
    raise SettingsError(
        "WEBUI_AUTH",
        f"without sign-in everybody who connects is the administrator, and "
        f"BIND_ADDRESS={read.optional('BIND_ADDRESS')} lets other machines connect. "
        f"Change one of the two.",
    )


def _loopback_only(read: Reader) -> bool:
    """Whether only this machine reaches the published port."""
    address = read.value("BIND_ADDRESS", values.bind_address)
    return address is None or address.is_loopback


def _document_search(model: str | None) -> dict[str, str]:
    """Retrieval through the gateway's embeddings; without a model, documents go in whole."""
    if model is None:
        return {"BYPASS_EMBEDDING_AND_RETRIEVAL": "true"}
    return {"BYPASS_EMBEDDING_AND_RETRIEVAL": "false", "RAG_EMBEDDING_MODEL": model}


if __name__ == "__main__":
    main()
