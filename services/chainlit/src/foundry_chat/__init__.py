"""The chat app of the stack: Chainlit as an OpenAI client of the gateway.

``python -m foundry_chat`` starts it, ``python -m foundry_chat healthcheck`` asks whether it works.
"""

__version__ = "0.1.0"
