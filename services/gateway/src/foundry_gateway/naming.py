"""How aliases, bare names and variant ids belong together, where the runtime does not say.

A variant id is ``name:version``, a name is roughly ``alias[-instruct]-<provider>-<device>``
(``qwen2.5-0.5b-instruct-generic-cpu:4``), with exceptions (``deepseek-r1-7b`` is
``deepseek-r1-distill-qwen-7b-…``). Guesses made here are only ever *tried*: what the runtime says
about an alias always wins.
"""

from __future__ import annotations

import re

_PROVIDERS = (
    *("generic", "cuda", "webgpu", "openvino", "qnn", "vitis", "vitisai", "directml", "dml"),
    *("nvtensorrt", "nvtensorrtrtx", "trtrtx", "tensorrt", "migraphx"),
)
_DEVICES = ("cpu", "gpu", "npu")
_TUNED = ("instruct", "chat", "it")
_NOISE = frozenset((*_PROVIDERS, *_DEVICES, *_TUNED, "rtx"))
_SUFFIX = re.compile(
    rf"-(?:{'|'.join(_PROVIDERS)})(?:-rtx)?-(?:{'|'.join(_DEVICES)})$", re.IGNORECASE
)
_TUNED_SUFFIX = re.compile(rf"-(?:{'|'.join(_TUNED)})$", re.IGNORECASE)


def bare_name(variant: str) -> str:
    """Return a variant id without its version."""
    return variant.split(":", 1)[0]


def _tokens(name: str) -> list[str]:
    return re.split(r"[-._/]+", bare_name(name).lower())


def belongs(alias: str, variant: str) -> bool:
    """Say whether a variant can only be this alias's: nothing but provider and device differ."""
    wanted, found = _tokens(alias), _tokens(variant)
    return found[: len(wanted)] == wanted and all(t in _NOISE for t in found[len(wanted) :])


def alias_guesses(variant: str) -> tuple[str, ...]:
    """Return what a variant's alias may be, likeliest first."""
    name = bare_name(variant).lower()
    plain = _SUFFIX.sub("", name)
    return tuple(dict.fromkeys((_TUNED_SUFFIX.sub("", plain), plain)))


def same_variant(one: str, other: str) -> bool:
    """Say whether two ids name the same variant, where a side without a version matches any."""
    if one.lower() == other.lower():
        return True
    if ":" in one and ":" in other:
        return False
    return bare_name(one).lower() == bare_name(other).lower()


def likeness(alias: str, variant: str) -> float:
    """Return how much of an alias a variant's name contains, less what it has on top."""
    wanted, found = set(_tokens(alias)), set(_tokens(variant)) - _NOISE
    return len(wanted & found) - 0.1 * len(found - wanted)


def may_belong(alias: str, variant: str) -> bool:
    """Say whether a variant might be this alias's: its name contains the alias's parts in order."""
    found = iter(_tokens(variant))
    return all(token in found for token in _tokens(alias))
