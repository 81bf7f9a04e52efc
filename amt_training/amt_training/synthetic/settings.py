"""How much of the synthetic world there is, and how it varies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorldSettings:
    """Scenes drawn by chance, with exact truth: data for everybody."""

    kind: str = "synthetic"
    train: int = 20_000
    """Scenes to train on."""
    val: int = 500
    """Scenes to look at while training, of objects, hand shapes and cameras that training has not
    seen."""
    test: int = 1000
    """Scenes to evaluate on, unseen in the same way."""
    views: int = 3
    """Training scenes that show the same hands and objects, in other rooms, through other cameras:
    finding a grasp takes longer than drawing it."""
    frames: int = 1
    """Pictures of each scene; with more than one, hands and objects move."""
    rate: float = 30.0
    """Pictures of each second of a scene."""
    objects: tuple[int, ...] = (72, 24, 24)
    """Objects to train, look at and evaluate on."""
    meshes: tuple[str, ...] = ()
    """Mesh files (metres) that join the objects of every part."""
    seed: int = 0
    """Of everything."""
    width: int = 640
    """Of the pictures (pixels)."""
    height: int = 480
    """Of the pictures (pixels)."""
    focal: tuple[float, float] = (400.0, 1400.0)
    """Focal lengths (pixels), even on a logarithmic scale."""
    held_out_focal: tuple[float, ...] = (560.0, 640.0, 900.0, 1020.0)
    """Training sees no focal length between the first two, nor between the other two."""
    distance: tuple[float, float] = (0.25, 1.5)
    """From the camera to the hand (m), even on a logarithmic scale."""
    hand_pixels: tuple[float, float] = (45.0, 420.0)
    """Longer side of the hands' boxes: focal length and distance are drawn again beyond."""
    egocentric: float = 0.4
    """Share of the cameras that look along the arm, as from the person's head."""
    two_hands: float = 0.25
    """Share of the scenes with both hands."""
    sleeves: float = 0.6
    """Share of the arms that are covered."""
    activities: tuple[float, float, float] = (0.5, 0.2, 0.3)
    """Shares of grasps, approaches and gestures."""
