"""sigmaReparam: a matrix's spectral norm becomes one learned number.

Zhai et al., "Stabilizing Transformer Training by Preventing Attention Entropy Collapse", ICML
2023: W_hat = gamma / sigma(W) * W. gamma starts at sigma(W), so the function does not change.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse.linalg import svds
from torch import Tensor, nn
from torch.nn.utils import parametrize


class SigmaReparam(nn.Module):
    """Parametrisation of one weight matrix, for torch.nn.utils.parametrize.

    The singular vectors come from an SVD at the start, then from one power iteration in each
    forward pass of training; they carry no gradient, sigma = u^T W v does. Computed in float32.
    While another direction overtakes the one that is followed, the norm exceeds gamma for some tens
    of steps; a matrix that grows in all directions at once can exceed it by 20 %.
    from_checkpoint: leave out the SVD, a checkpoint is loaded next (NaN until then).
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, from_checkpoint: bool) -> None:
        super().__init__()
        if from_checkpoint:
            self.gamma = nn.Parameter(weight.new_full((), torch.nan))
            self.register_buffer("left", weight.new_full(weight.shape[:1], torch.nan))
            self.register_buffer("right", weight.new_full(weight.shape[1:], torch.nan))
            return
        matrix = weight.detach().float().cpu().numpy()
        left, sigma, right = svds(matrix, k=1, v0=np.ones(min(matrix.shape), np.float32))
        self.gamma = nn.Parameter(torch.tensor(float(sigma[0]), device=weight.device))
        for name, vector in (("left", left[:, 0]), ("right", right[0])):
            self.register_buffer(name, torch.tensor(vector, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """[out, in] to the matrix of spectral norm gamma with the same direction."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.float()
            if self.training:
                with torch.no_grad():
                    left = nn.functional.normalize(matrix @ self.right, dim=0)
                    self.right.copy_(nn.functional.normalize(matrix.T @ left, dim=0))
                    self.left.copy_(left)
            sigma = self.left.clone() @ matrix @ self.right.clone()
            return (self.gamma / sigma * matrix).to(weight.dtype)


def add_sigma_reparam(part: nn.Module, from_checkpoint: bool = False) -> None:
    """Reparametrise the matrices of all linear layers in a part (not norms, not embeddings).

    A matrix of zeros has no direction to keep; such layers (zero starts) are left as they are, and
    so are outputs with fewer than 8 rows, whose scale is the meaning of what they predict.
    """
    for layer in list(part.modules()):
        if isinstance(layer, nn.Linear) and not parametrize.is_parametrized(layer):
            weight = layer.weight
            if min(weight.shape) >= 8 and bool(weight.detach().abs().max() > 0.0):
                reparam = SigmaReparam(weight.detach(), from_checkpoint)
                parametrize.register_parametrization(layer, "weight", reparam)


def fold_sigma_reparam(part: nn.Module) -> None:
    """Replace every reparametrised matrix by its present value, for deployment. Cannot be undone.

    The part computes the same function before and after, in evaluation.
    """
    part.eval()
    for layer in list(part.modules()):
        if isinstance(layer, nn.Linear) and parametrize.is_parametrized(layer, "weight"):
            # Not remove_parametrizations: it edits the class, which a deep copy of the part shares.
            weight = layer.weight.detach().clone()
            del layer.parametrizations
            layer.__class__ = parametrize.type_before_parametrizations(layer)
            layer.weight = nn.Parameter(weight)
