"""A triangle mesh under construction: vertices, rings of them, and the faces between rings."""

from __future__ import annotations

import numpy as np


class Surface:
    """Vertices with a group number each, and triangles, counter-clockwise seen from outside.

    Rings are lists of vertex numbers, all running the same way round.
    """

    def __init__(self) -> None:
        self.points: list[np.ndarray] = []
        self.groups: list[int] = []
        self.triangles: list[tuple[int, int, int]] = []

    def add(self, points: np.ndarray, group: int) -> list[int]:
        """Vertex numbers of new points [N, 3]."""
        first = len(self.points)
        self.points.extend(points)
        self.groups.extend([group] * len(points))
        return list(range(first, len(self.points)))

    def quad(self, a: int, b: int, c: int, d: int) -> None:
        """Two triangles over the shorter diagonal."""
        p = self.points
        if np.linalg.norm(p[a] - p[c]) <= np.linalg.norm(p[b] - p[d]):
            self.triangles += [(a, b, c), (a, c, d)]
        else:
            self.triangles += [(a, b, d), (b, c, d)]

    def zip(self, lower: list[int], upper: list[int]) -> None:
        """Triangles between rings of any sizes: the least twist, then always the shorter edge."""
        low = np.array([self.points[v] for v in lower])
        high = np.array([self.points[v] for v in upper])
        n, m = len(lower), len(upper)
        partner = np.arange(n) * m // n
        twist = [np.linalg.norm(low - high[(partner + k) % m], axis=1).sum() for k in range(m)]
        shift = int(np.argmin(twist))
        upper = upper[shift:] + upper[:shift]
        high = np.roll(high, -shift, axis=0)
        i = j = 0
        while i < n or j < m:
            step_low = np.linalg.norm(low[(i + 1) % n] - high[j % m])
            step_high = np.linalg.norm(low[i % n] - high[(j + 1) % m])
            if j == m or (i < n and step_low <= step_high):
                self.triangles.append((lower[i % n], lower[(i + 1) % n], upper[j % m]))
                i += 1
            else:
                self.triangles.append((lower[i % n], upper[(j + 1) % m], upper[j % m]))
                j += 1

    def close(self, ring: list[int], pole: int) -> None:
        """A fan from a ring to one vertex beyond it."""
        for i, vertex in enumerate(ring):
            self.triangles.append((vertex, ring[(i + 1) % len(ring)], pole))
