"""Fixtures that every layer shares; each lives beside the thing it starts, in ``support``."""

pytest_plugins: list[str] = [
    "support.foundry",
    "support.gateway",
    "support.chat_stack",
    "support.browser",
    "support.open_webui",
    "support.stack",
    "support.webgpu",
    "support.pages",
]
