"""Fixtures that every layer shares; each lives beside the thing it starts, in ``support``."""

pytest_plugins: list[str] = ["support.browser", "support.foundry", "support.open_webui"]
