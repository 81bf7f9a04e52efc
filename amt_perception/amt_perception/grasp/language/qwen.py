"""Qwen2.5-VL reads the instruction together with six views of the object."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.grasp.interface import Language
from amt_perception.grasp.language.lora import add_adapters

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen2_5_VLModel

MODES = ("frozen", "lora", "full")
"""What is trained: nothing, adapters of the language model, or everything."""
NAME = "Qwen/Qwen2.5-VL-3B-Instruct"
"""On the Hugging Face hub; its `Language.tokens` are 2048 wide."""
BEFORE = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
AFTER = "<|im_end|>\n<|im_start|>assistant\n"
"""The model's own chat template around views and instruction."""


class QwenEncoder(nn.Module):
    """Hidden states of Qwen2.5-VL (Bai et al., "Qwen2.5-VL technical report", 2025), no text.

    Attention looks back only. Views come first, so the instruction's tokens have seen them; the
    last tokens, those of AFTER, have seen everything and count as text.
    """

    def __init__(
        self, model: Qwen2_5_VLModel, tokenizer: PreTrainedTokenizerBase, mode: str
    ) -> None:
        """model: without a language-model head; mode: one of MODES. Raises AmtError otherwise."""
        super().__init__()
        if mode not in MODES:
            raise AmtError(f"there is no mode '{mode}'; choose one of: {', '.join(MODES)}")
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
            Qwen2VLImageProcessorPil,
        )

        self.mode = mode
        self.model: Any = model
        self._tokenizer = tokenizer
        vision: Any = model.config.vision_config
        self._images = Qwen2VLImageProcessorPil(
            patch_size=vision.patch_size,
            temporal_patch_size=vision.temporal_patch_size,
            merge_size=vision.spatial_merge_size,
        )
        if mode == "lora":
            add_adapters(model)
        else:
            model.requires_grad_(mode == "full")
        if mode != "frozen":
            # Without use_reentrant=False no adapter in front of a checkpoint gets its gradient.
            self.model.activation_checkpointing_enable({"use_reentrant": False})

    @classmethod
    def load(cls, mode: str, device: str = "cpu", name: str = NAME) -> QwenEncoder:
        """The pretrained model in bfloat16, from the Hugging Face cache of this machine.

        Raises AmtError where transformers or the weights are missing.
        """
        try:
            from transformers import AutoTokenizer, Qwen2_5_VLModel
        except ImportError as error:
            raise AmtError("Qwen2.5-VL needs transformers: pip install transformers") from error
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True)
            model = Qwen2_5_VLModel.from_pretrained(
                name, local_files_only=True, dtype=torch.bfloat16
            )
        except (OSError, ValueError) as error:
            raise AmtError(
                f"the weights of {name} are not on this machine; fetch them (7.5 GB) with "
                f"'hf download {name}', or use a model with the small language encoder"
            ) from error
        return cls(model, tokenizer, mode).to(device)

    @property
    def width(self) -> int:
        """C of `Language.tokens`."""
        return int(self.model.config.text_config.hidden_size)

    @property
    def vision_is_fixed(self) -> bool:
        """Whether features of views stay the same during training and may be kept."""
        return self.mode != "full"

    def see(self, views: np.ndarray) -> tuple[Tensor, ...]:
        """What the vision tower makes of V views [V, H, W, 3] uint8 RGB of one object.

        Returns for each view its features [T, C]; T = H W / 28^2 for whole multiples of 28.
        """
        inputs = self._images(list(views), return_tensors="pt")
        device = self.model.device
        with torch.no_grad() if self.vision_is_fixed else nullcontext():
            output = self.model.get_image_features(
                inputs["pixel_values"].to(device), inputs["image_grid_thw"].to(device)
            )
        return tuple(output.pooler_output)

    def forward(self, instructions: Sequence[str], seen: Sequence[tuple[Tensor, ...]]) -> Language:
        """Features of B instructions, each with what `see` gave for its object; views are square.

        `Language.mask` is True for views and for the instruction with what follows it, in fp32.
        Raises AmtError for an empty instruction.
        """
        if not all(one.strip() for one in instructions):
            raise AmtError("the instruction is empty; say what to do with the object")
        config, device = self.model.config, self.model.device
        sequences = [
            self._sequence(instruction, [len(view) for view in views])
            for instruction, views in zip(instructions, seen, strict=True)
        ]
        longest = max(len(ids) for ids, _ in sequences)
        token_ids = torch.zeros(len(sequences), longest, dtype=torch.int64, device=device)
        present = torch.zeros(len(sequences), longest, dtype=torch.bool, device=device)
        is_text = torch.zeros_like(present)
        for row, (ids, text_start) in enumerate(sequences):
            token_ids[row, : len(ids)] = torch.tensor(ids, device=device)
            present[row, : len(ids)] = True
            is_text[row, text_start : len(ids)] = True
        is_image = present & (token_ids == config.image_token_id)
        with torch.no_grad() if self.mode == "frozen" else nullcontext():
            states = self.model(
                input_ids=token_ids,
                attention_mask=present.long(),
                # Without the types the model falls back to one-dimensional positions, silently.
                mm_token_type_ids=is_image.int(),
                mm_encoder_outputs={"image": _as_output(seen)},
                image_grid_thw=self._grids(seen),
                use_cache=False,
            ).last_hidden_state
        return Language(tokens=states.float(), mask=is_text | is_image, is_text=is_text)

    def trained_state(self) -> dict[str, Tensor]:
        """The tensors that training changes: none, the adapters, or the whole model."""
        return {
            name: parameter.detach().cpu()
            for name, parameter in self.named_parameters()
            if parameter.requires_grad
        }

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """The reverse of `trained_state`. Raises AmtError for tensors of another mode."""
        wanted = set(self.trained_state())
        if wanted != set(state):
            raise AmtError(
                f"the language weights have {len(state)} tensors and mode '{self.mode}' trains "
                f"{len(wanted)}; load them with the mode that they were trained in"
            )
        self.load_state_dict(state, strict=False)

    def _sequence(self, instruction: str, lengths: list[int]) -> tuple[list[int], int]:
        """Token ids of the whole prompt, and where the instruction starts."""
        config = self.model.config
        ids = self._ids(BEFORE)
        for length in lengths:
            ids.append(config.vision_start_token_id)
            ids += [config.image_token_id] * length
            ids.append(config.vision_end_token_id)
        start = len(ids)
        return ids + self._ids(instruction.strip()) + self._ids(AFTER), start

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _grids(self, seen: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """[views, 3] time, rows and columns of patches of every view; views are square."""
        merge = self.model.config.vision_config.spatial_merge_size
        sides = [merge * round(len(view) ** 0.5) for views in seen for view in views]
        grids = torch.tensor([[1, side, side] for side in sides])
        return grids.to(self.model.device)


def _as_output(seen: Sequence[tuple[Tensor, ...]]) -> Any:
    """Kept features in the form in which the model gives and takes them."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    features: Any = [view for views in seen for view in views]
    return BaseModelOutputWithPooling(pooler_output=features)
