"""The small language encoder: trained from scratch with the grasp model, nothing to download."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from amt_perception.grasp.interface import Language
from amt_perception.grasp.language.tokenizer import (
    BUCKETS,
    MAX_WORDS,
    pieces_of,
    tokenize,
    words_of,
)

LAYERS, HEADS = 2, 4
PIECE_DROPOUT = 0.1
"""Share of a word's pieces that training leaves out: a word then means the same without some of
its letters, which is how a word that was never seen looks."""


class SmallLanguageEncoder(nn.Module):
    """Words as means of their pieces' vectors, then a small transformer over the words (pre-norm).

    Vectors of pieces begin at zero, and training moves only those that it meets. So a piece that
    was never met says nothing instead of something random, and `unknown_words` can tell.
    """

    def __init__(self, width: int) -> None:
        """width: C of `Language.tokens`."""
        super().__init__()
        self.pieces = nn.Embedding(1 + BUCKETS, width, padding_idx=0)
        self.places = nn.Embedding(MAX_WORDS, width)
        nn.init.zeros_(self.pieces.weight)
        nn.init.normal_(self.places.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(
            width, HEADS, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.transformer = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, token_ids: Tensor, mask: Tensor) -> Language:
        """token_ids [B, L, P] int64 and mask [B, L] bool, as `tokenize` makes them."""
        present = token_ids > 0
        if self.training:
            present = present & (torch.rand(present.shape, device=mask.device) >= PIECE_DROPOUT)
        count = present.sum(dim=-1, keepdim=True).clamp_min(1)
        words = (self.pieces(token_ids) * present[..., None]).sum(dim=-2) / count  # [B, L, C]
        words = words + self.places.weight[: words.shape[1]]
        words = self.transformer(words, src_key_padding_mask=~mask)
        return Language(tokens=self.norm(words), mask=mask, is_text=mask)

    def encode(self, instructions: Sequence[str]) -> Language:
        """Features of B instructions, on the device of the weights.

        Raises AmtError for an instruction that is empty or too long.
        """
        token_ids, mask = tokenize(instructions)
        device = self.places.weight.device
        return self(token_ids.to(device), mask.to(device))

    def unknown_words(self, instruction: str) -> list[str]:
        """Words of an instruction that training never met: at least one piece was never moved."""
        met = self.pieces.weight.any(dim=1)
        return [word for word in words_of(instruction) if not met[pieces_of(word)].all()]
