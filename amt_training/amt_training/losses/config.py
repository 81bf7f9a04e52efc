"""Every number of the loss."""

from __future__ import annotations

from dataclasses import dataclass, field

LENGTH_UNIT_M = 0.1
"""Distances enter the loss over this length. A turn of 1 rad moves what is held a hand's breadth
away by as much, so that metres and radians weigh alike."""


@dataclass(frozen=True)
class Ramp:
    """A factor that goes linearly from `start` to one over a first share of the training."""

    start: float
    share: float

    def __call__(self, progress: float) -> float:
        """The factor when a share `progress` (0..1) of the training is done."""
        done = min(max(progress / self.share, 0.0), 1.0)
        return self.start + (1.0 - self.start) * done


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms, and the constants inside them."""

    coarse: float = 1.326
    """Joints of the first estimate."""
    refined: float = 1.189
    """Joints after the refinement steps (their mean)."""
    reprojection: float = 0.553
    """Final joints, seen in the picture."""
    keypoints: float = 4.0
    """Joints that the network finds in the picture, before they are lifted to 3D. A share of the
    box is about twice as many LENGTH_UNIT_M at the hand, in each of two directions: this weighs it
    like joints in space, which else would bend the keypoints to their own use."""
    heatmap: float = 0.5
    mano_rotation: float = 1.0
    mano_shape: float = 0.05
    vertices: float = 0.5
    sigma: float = 0.02
    """Predicted standard deviations of the joints."""
    object_position: float = 0.822
    object_rotation: float = 0.463
    object_confidence: float = 0.5
    object_class: float = 0.2
    contact: float = 0.359
    physics: float = 0.086
    diversity: float = 0.060
    velocity: float = 0.1
    attention_entropy: float = 0.01

    diversity_ramp: Ramp = field(default_factory=lambda: Ramp(2.0, 0.5))
    physics_ramp: Ramp = field(default_factory=lambda: Ramp(0.3, 0.5))
    refined_ramp: Ramp = field(default_factory=lambda: Ramp(0.1, 0.2))
    """A refinement of joints that are far off learns nothing of use."""

    absolute_share: float = 0.5
    """Of the joints' losses, of the distance in the camera's frame; the rest is of the joints seen
    from the wrist. Where cameras vary much, depth moves by decimetres for a pixel of size, and too
    large a share drowns what is to be learned of the pose."""
    fingertip_factor: float = 1.5
    """Weight of a fingertip over that of another joint."""
    adaptive_range: float = 4.0
    """A joint's learned weight stays within this factor of one, up and down, before the weights are
    scaled to a mean of one."""
    smooth_l1_beta: float = 0.01
    """Below this share of the hand box, errors in the picture count by their square."""
    sigma_tail: float = 4.5
    """Errors beyond so many predicted sigmas count linearly in log sigma: a lost hand must not
    outweigh the batch."""
    heatmap_sigma: float = 0.75
    """Of the target's Gaussian, in cells of the grid of image tokens."""
    background_class: float = 0.1
    """Weight of a query without an object in the class loss (Carion et al., ECCV 2020)."""
    contact_tolerance: float = 0.005
    """A point this close to a surface touches it (m)."""
    force_limit: float = 80.0
    """A fingertip's strongest press (N): men's mean tip pinch (Mathiowetz et al., Arch. Phys. Med.
    Rehabil. 66, 1985)."""
    penetration_reach: float = 0.03
    """Deeper than this (m) the nearest surface point no longer says which way is out."""
    entropy_floor: float = 0.1
    """Attention below this share of the greatest possible entropy has collapsed."""

    match_class: float = 1.0
    match_confidence: float = 2.0
    match_position: float = 1.0
    match_rotation: float = 0.25
    """Costs of assigning a query to an object: probabilities, LENGTH_UNIT_M, rad."""

    def weight(self, term: str, progress: float) -> float:
        """Of a term of `AmtLoss`, when a share `progress` (0..1) of the training is done.

        Terms of contact, physics and diversity share the weight of their group.
        """
        group = term.split("_")[0]
        if group not in ("contact", "physics", "diversity"):
            group = term
        ramp = getattr(self, f"{group}_ramp", None)
        weight: float = getattr(self, group)
        return weight * ramp(progress) if ramp else weight
