"""How much of the synthetic world there is, and how it varies."""

from __future__ import annotations

from dataclasses import dataclass

from amt_perception.errors import AmtError


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

    def __post_init__(self) -> None:
        """Raises AmtError for a world that cannot be, naming the key."""
        for name in ("train", "val", "test", "views", "frames", "width", "height"):
            if getattr(self, name) < 1:
                raise AmtError(f"data.{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("focal", "distance", "hand_pixels"):
            low, high = getattr(self, name)
            if not 0.0 < low < high:
                raise AmtError(
                    f"data.{name} is {[low, high]}; give the least and the greatest, both positive"
                )
        for name in ("egocentric", "two_hands", "sleeves"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise AmtError(f"data.{name} is {getattr(self, name)}; it is a share, 0 to 1")
        if min(self.activities) < 0.0 or not sum(self.activities) > 0.0:
            raise AmtError("data.activities are three shares, none negative and not all zero")
        if len(self.objects) != 3 or min(self.objects) < 0:
            raise AmtError("data.objects are three counts: to train, look at and evaluate on")
        bands = list(zip(self.held_out_focal[::2], self.held_out_focal[1::2], strict=False))
        seen = sum(
            max(0.0, min(high, self.focal[1]) - max(low, self.focal[0])) for low, high in bands
        )
        if len(self.held_out_focal) % 2 or seen > 0.9 * (self.focal[1] - self.focal[0]):
            raise AmtError(
                "data.held_out_focal are pairs of focal lengths that training does not see; leave "
                "it some"
            )
