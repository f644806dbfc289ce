"""Reads Foundry Local's own words about a failure: what kind it is, and what a person may see.

Both generations put source lines, signatures and stacks into their messages, and 1.x answers a
load that failed without a word. The patterns are words that 2.2.1 and 1.2.4 really said of broken
model directories; those about memory are ONNX Runtime's and the drivers' own.
"""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

LoadFault = Literal[
    "permission",
    "missing",
    "memory",
    "provider",
    "unsupported",
    "settings",
    "damaged",
    "unknown",
]
LOAD_FAULTS: Final[tuple[LoadFault, ...]] = get_args(LoadFault)

_LONGEST: Final = 160
_PATTERNS: Final[tuple[tuple[LoadFault, str], ...]] = (
    ("permission", r"permission denied|access is denied|system error number (?:13|5)\b"),
    (
        "memory",
        (
            r"out of memory|bad[ _]alloc|failed to allocate|not enough memory|insufficient memory"
            r"|OUTOFMEMORY|MemoryAllocation|cannot allocate"
        ),
    ),
    (
        "provider",
        (
            r"requires \w+ which is not registered|unknown provider name|interface not available"
            r"|failed to load library|cannot open shared object|execution provider"
            r"|no (?:CUDA|GPU|NPU)\b"
        ),
    ),
    (
        "missing",
        (
            r"does(?: not|n't) exist|no such file|cannot find the (?:file|path)"
            r"|system error number [23]\b|external data path"
        ),
    ),
    (
        "damaged",
        r"protobuf parsing|no graph was|not have a graph|out of bounds|read in full",
    ),
    (
        "unsupported",
        (
            r"unsupported|not supported|not implemented|opset|not a registered function"
            r"|newer version"
        ),
    ),
    ("settings", r"json|genai_config|unknown value"),
)
"""In the order in which they are tried: what is said of a file goes before what is said of JSON."""

_ORIGIN = re.compile(r"(?:[\w./\\:-]*[/\\])?\w+\.(?:cc|cpp|cxx|h|hpp|cs|cu|rs|py):\d+:? ?")
_SIGNATURE_START = re.compile(r"[^(.;!?\"']*(?:::|\b(?:void|int|bool|static|std)\b)[^(.;!?\"']*\(")
_SIGNATURE_END = re.compile(r"(?: const)?(?:::<lambda\([^)]*\)>)*\s*")
_FUNCTION = re.compile(r"[A-Z]\w*[a-z]\w*[A-Z]\w* ")
_STACK = re.compile(r"\s+at [\w.<>`+]+\(.*\Z", re.DOTALL)
_CLASS = re.compile(r"(?:\bError: )?\b(?:\w+\.)+\w*Exception: |\[json\.exception\.[\w.]+\] ")
_PATH = re.compile(r"(?<![\w:/\\])(?:[A-Za-z]:)?(?:[\\/][^\s\\/\"':;,]+){3,}")


def load_fault(words: str) -> LoadFault:
    """Return why a model could not be loaded, by what the runtime said."""
    for kind, pattern in _PATTERNS:
        if re.search(pattern, words, re.IGNORECASE):
            return kind
    return "unknown"


def plain(words: str) -> str:
    """Return a message as a person may see it: one line, no source, signature, stack or path.

    Returns:
        At most 160 characters, without a full stop; empty where nothing is left.
    """
    text = _STACK.sub("", words)
    while origin := _ORIGIN.search(text):
        rest = text[origin.end() :]
        text = text[: origin.start()] + rest[_length_of_function(rest) :]
    text = _CLASS.sub("", text).replace("std::bad_alloc", "out of memory")
    text = _PATH.sub(lambda found: re.split(r"[\\/]", found[0])[-1], text)
    text = " ".join(text.split()).rstrip(". ")
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1].rsplit(" ", 1)[0].rstrip(".,;: ") + "…"
    return text


def _length_of_function(text: str) -> int:
    """How much of the text is the function that goes with a source line."""
    start = _SIGNATURE_START.match(text)
    if start is None:
        name = _FUNCTION.match(text)
        return name.end() if name else 0
    depth = 1
    for position in range(start.end(), len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            end = _SIGNATURE_END.match(text, position + 1)
            return end.end() if end else position + 1
    return len(text)
