"""The full skinned hand: vertices and joints in torch, through smplx."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from amt_perception.errors import AmtError
from amt_perception.hand.joints import MANO_TIP_VERTICES, MANO_TO_21, Side
from amt_perception.hand.model_data import HandModelData

if TYPE_CHECKING:
    import torch


class HandModel:
    """MANO's linear blend skinning (Romero et al., SIGGRAPH Asia 2017) as smplx computes it.

    Differentiable. Poses are full axis-angle vectors with the mean pose included (smplx's
    flat_hand_mean=True, use_pca=False); vertices come back in the frame of the global orientation
    and the translation, in metres. Raises AmtError when torch or smplx is not installed.
    """

    def __init__(self, data: HandModelData, device: str = "cpu") -> None:
        try:
            import smplx
            import torch
            from smplx.utils import Struct
        except ImportError as error:
            raise AmtError(
                f"The skinned hand needs {error.name}: pip install torch smplx."
            ) from error
        arrays = Struct(
            v_template=data.v_template,
            f=data.faces,
            shapedirs=data.shapedirs,
            posedirs=data.posedirs,
            weights=data.weights,
            J_regressor=data.J_regressor,
            kintree_table=data.parents[None],
            hands_components=data.hands_components,
            hands_mean=data.hands_mean,
        )
        self.data = data
        self.device = torch.device(device)
        # smplx prints a warning about 10 shape coefficients, which is all that MANO has.
        with contextlib.redirect_stdout(io.StringIO()):
            mano = smplx.MANO(
                model_path="",
                data_struct=arrays,
                is_rhand=data.side == Side.RIGHT,
                use_pca=False,
                flat_hand_mean=True,
            )
        self._mano = mano.to(self.device)
        self._tips = torch.tensor(MANO_TIP_VERTICES, device=self.device)
        self._order = torch.tensor(MANO_TO_21, device=self.device)

    def __call__(
        self, pose: torch.Tensor, shape: torch.Tensor, translation: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Vertices [B, 778, 3] and joints [B, 21, 3] in the project's order.

        pose: [B, 16, 3] axis-angle, wrist first; shape: [B, 10]; translation: [B, 3].
        float32. The wrist lands on translation + J0(shape), as in MANO.
        """
        import torch

        output = self._mano(
            betas=shape,
            global_orient=pose[:, 0],
            hand_pose=pose[:, 1:].flatten(1),
            transl=translation,
        )
        points = torch.cat([output.joints, output.vertices[:, self._tips]], dim=1)
        return output.vertices, points[:, self._order]

    def vertices(
        self, pose: torch.Tensor, shape: torch.Tensor, translation: torch.Tensor
    ) -> torch.Tensor:
        """Vertices [B, 778, 3]; arguments as in a call."""
        return self(pose, shape, translation)[0]

    def joints(
        self, pose: torch.Tensor, shape: torch.Tensor, translation: torch.Tensor
    ) -> torch.Tensor:
        """Joints [B, 21, 3] in the project's order; arguments as in a call."""
        return self(pose, shape, translation)[1]
