"""The tokenizer: byte-level BPE learnt from our own conversations, so that any text is readable."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from foundry_demo.dialogues import conversations

if TYPE_CHECKING:
    from pathlib import Path

PAD, SYSTEM, USER, ASSISTANT, END = (
    f"<|{name}|>" for name in ("endoftext", "system", "user", "assistant", "end")
)
# The runtime refuses requests with `tools` unless the last two are single tokens.
SPECIAL = (PAD, SYSTEM, USER, ASSISTANT, END, "<tool_call>", "</tool_call>")
# The split of Qwen2's tokenizer, which the runtime implements: single digits, words with a space.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TURNS = (1, 1, 1, 2, 3, 4)


def train(seed: int, size: int, samples: int) -> Tokenizer:
    """Learn a vocabulary of *size* tokens from *samples* conversations."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (
        text
        for turns in itertools.islice(conversations(seed, _TURNS), samples)
        for turn in turns
        for text in (turn.asked, turn.said)
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Return the id of a token that the vocabulary has."""
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise KeyError(token)
    return found


CHAT_TEMPLATE = """\
{#- The system prompt and tools are not shown to the demo model: it is too small to follow them. -#}
{%- for message in messages -%}
{%- if message['content'] and message['role'] in ['user', 'assistant'] -%}
{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""


def save(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Write the tokenizer's files as Hugging Face and the runtime read them."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_prefix_space": False,
        "add_bos_token": False,
        "bos_token": None,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, "utf-8")
