"""What requests may take of the container's memory: every limit, multiplied out in one place.

The container has 256 MiB (``mem_limit`` in compose.yaml). In MiB, each at its worst, all at once::

    the process, idle: 30 to 35 were measured                     ~ 40
    1,024 connections, each with 16 KiB being received,
      32 KiB received but not yet used, and 16 KiB of its own      ~ 64
    bodies being read or held                        BODIES_AND_PARSE
    one body being parsed (limits.parse_allowance)        together 112
    answers in one piece, being received (ANSWERS)                  16
                                                                   ----
                                                                  ~ 232

``tests/security/test_gateway_limits.py`` does this multiplication for real.

- A body is held once: it is received into one piece of memory and sent from there. (Python 3.12 or
  later, or uvloop: the container has both. Elsewhere the unsent rest is copied once more.)
- Bodies up to ``FREE_BODY`` are not counted: the number of connections bounds them, and so an
  ordinary question always gets in while large bodies fill the budget.
- What a body may become by parsing is worked out before it is parsed
  (``foundry_common.bodies.tree_bytes``), and large bodies are parsed one after the other.
- Answers in streams pass through in pieces and are held nowhere.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

CONNECTIONS: Final = 1_024
"""Open at once; one more is told to come back."""
HEAD_SECONDS: Final = 10.0
"""For a request's head to arrive, from the connection or from the head's first byte on."""
HEAD_BYTES: Final = 32 * KIB
"""A request's head, and what may arrive ahead of its turn."""
KEEP_ALIVE_SECONDS: Final = 75.0
LINGER_SECONDS: Final = 5.0
"""For the rest of a refused body, so that its sender can read why."""
RECEIVE_BYTES: Final = 16 * KIB
"""Received in one piece. uvloop would take 256 KiB from each connection."""

FREE_BODY: Final = 16 * KIB
CHUNK_STEP: Final = 64 * KIB
"""A share taken ahead for a body that does not say its length."""
BODY_IDLE_SECONDS: Final = 10.0
"""Without a byte of a body."""
BODY_GRACE_SECONDS: Final = 30.0
BODY_BYTES_PER_SECOND: Final = 64 * KIB
"""The slowest a body may come in, after the grace."""

LARGE_PARSE: Final = 64 * KIB
"""Larger bodies are parsed in a thread, one after the other."""
MAX_DEPTH: Final = 100
BODIES_AND_PARSE: Final = 112 * MIB
_WIDEST_CHARACTER: Final = 4
_PARSE_EXTRA: Final = 4 * MIB

ANSWERS: Final = 16 * MIB
"""All answers in one piece, being received or read."""
ANSWER: Final = 8 * MIB
"""The longest answer in one piece: 400 embeddings of 1,024 numbers."""


def parse_allowance(max_body: int) -> int:
    """Return the bytes that one body may become by parsing.

    Any text of the allowed length fits, also one of characters that Python keeps in four bytes.
    """
    return _WIDEST_CHARACTER * max_body + _PARSE_EXTRA


def body_budget(max_body: int) -> int:
    """Return the bytes of all bodies that are read or held at once."""
    return BODIES_AND_PARSE - parse_allowance(max_body)
