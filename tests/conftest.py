"""Fixtures that every layer shares; each lives beside the thing it starts, in ``support``."""

pytest_plugins: list[str] = [
    "support.browser",
    "support.chat_stack",
    "support.foundry",
    "support.open_webui",
]
