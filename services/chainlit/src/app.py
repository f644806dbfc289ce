"""What ``chainlit run`` loads: the app, wired from the environment."""

from __future__ import annotations

from foundry_chat.application import Application
from foundry_chat.settings import Settings

Application(Settings.from_environment()).register()
