"""The transformer, in the layout of Qwen2, so that standard tools can export its weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the network."""

    vocabulary: int
    width: int = 128
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    inner: int = 384
    context: int = 4096
    rope_theta: float = 100_000.0
    eps: float = 1e-6

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


class Norm(nn.Module):
    """Root mean square normalisation."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape.width))
        self.eps = shape.eps

    def forward(self, x: Tensor) -> Tensor:
        """Return *x* normalised."""
        normalised: Tensor = F.rms_norm(x, x.shape[-1:], self.weight, self.eps)
        return normalised


class Layer(nn.Module):
    """One decoder layer: grouped-query attention with rotary positions, then a gated MLP."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv = shape.kv_heads * shape.head_size
        self.input_layernorm = Norm(shape)
        self.post_attention_layernorm = Norm(shape)
        self.q_proj = nn.Linear(shape.width, shape.width)
        self.k_proj = nn.Linear(shape.width, kv)
        self.v_proj = nn.Linear(shape.width, kv)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.gate_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Return the states after this layer."""
        batch, length, _ = x.shape
        shape = self.shape
        h = self.input_layernorm(x)
        q = self.q_proj(h).view(batch, length, shape.heads, shape.head_size).transpose(1, 2)
        k = self.k_proj(h).view(batch, length, shape.kv_heads, shape.head_size).transpose(1, 2)
        v = self.v_proj(h).view(batch, length, shape.kv_heads, shape.head_size).transpose(1, 2)
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        groups = shape.heads // shape.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(a.transpose(1, 2).reshape(batch, length, shape.width))
        h = self.post_attention_layernorm(x)
        changed: Tensor = x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))
        return changed


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Network(nn.Module):
    """Token ids and positions in, hidden states out; embeddings are shared with the output."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape)
        frequencies = shape.rope_theta ** -(
            torch.arange(0, shape.head_size, 2).float() / shape.head_size
        )
        self.frequencies: Tensor
        self.register_buffer("frequencies", frequencies, persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                scale = (
                    0.02 / (2 * shape.layers) ** 0.5 if "o_proj" in name or "down" in name else 0.02
                )
                nn.init.normal_(weight, std=max(scale, 0.01) if "embed" not in name else 0.05)
            elif "bias" in name:
                nn.init.zeros_(weight)

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Return the normalised hidden states for *ids* at *positions* (both batch x length)."""
        angles = positions[:, None, :, None].float() * self.frequencies
        angles = torch.cat((angles, angles), dim=-1)
        cos, sin = angles.cos(), angles.sin()
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        states: Tensor = self.norm(x)
        return states

    def hugging_face_weights(self) -> dict[str, Tensor]:
        """Return the weights under the names that Qwen2 gives them."""
        renamed = {}
        for name, weight in self.state_dict().items():
            part = name.split(".")
            if part[0] == "layers" and part[2].endswith("_proj"):
                block = "self_attn" if part[2][0] in "qkvo" else "mlp"
                part.insert(2, block)
            renamed["model." + ".".join(part)] = weight.contiguous()
        return renamed
