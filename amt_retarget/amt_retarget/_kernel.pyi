"""The compiled kernel (amt_retarget/kernel/module.cpp); retarget.kinematics makes one for a robot.

n joints (rad), p points, k vectors between points, in metres. All positions are in the frame of the
tree's base, vectors in the palm's axes. Wrong sizes and indices raise ValueError.
"""

from numpy import ndarray

def solve_box_program(
    hessian: ndarray, gradient: ndarray, lower: ndarray, upper: ndarray
) -> ndarray | None:
    """The x [n] that minimises 1/2 x' H x + g' x over lower <= x <= upper.

    None when H [n, n] is not positive definite or something is not finite.
    """

class Kernel:
    def __init__(
        self,
        parents: ndarray,
        rotations: ndarray,
        translations: ndarray,
        axes: ndarray,
        point_joints: ndarray,
        point_offsets: ndarray,
        vectors: ndarray,
        palm_joint: int,
        palm_rotation: ndarray,
        wrist_offset: ndarray,
    ) -> None: ...
    def set_collisions(
        self,
        joints: ndarray,
        starts: ndarray,
        ends: ndarray,
        radii: ndarray,
        pairs: ndarray,
        clearances: ndarray,
        table_capsules: ndarray,
    ) -> None: ...
    def points(self, q: ndarray) -> ndarray:
        """[p, 3] positions of the points."""
    def vectors(self, q: ndarray) -> ndarray:
        """[k, 3] the vectors."""
    def palm(self, q: ndarray) -> tuple[ndarray, ndarray]:
        """Rotation [3, 3] of the palm and position [3] of the wrist point."""
    def least_squares(
        self,
        q: ndarray,
        targets: ndarray,
        weights: ndarray,
        betas: ndarray,
        wrist: ndarray,
        rotation: ndarray,
        wrist_weight: float,
        rotation_weight: float,
        newton: bool,
    ) -> tuple[float, float, ndarray, ndarray]:
        """Costs of the vectors and of the palm, gradient [n] and Hessian [n, n] of their sum.

        Vectors: sum of weight * SmoothL1(|vector - target|, beta), with beta = inf of
        weight / 2 |vector - target|^2. Palm: half the weighted squares of the wrist's distance (m)
        and of the angle (rad) from their targets. newton: the exact Hessian of the vectors, which
        may be indefinite; else a positive semidefinite one (Gauss-Newton, reweighted above beta).
        """
    def minimise(
        self,
        q: ndarray,
        targets: ndarray,
        weights: ndarray,
        betas: ndarray,
        wrist: ndarray,
        rotation: ndarray,
        wrist_weight: float,
        rotation_weight: float,
        lower: ndarray,
        upper: ndarray,
        trust: float,
        least_decrease: float,
        most_steps: int,
        newton: bool,
    ) -> tuple[ndarray, float]:
        """Joints [n] within lower..upper that minimise the cost of least_squares, and that cost.

        Levenberg-Marquardt on from q; no joint moves by more than `trust` in a step. It ends with a
        step that lowers the cost by less than `least_decrease`, or after `most_steps`.
        """
    def descend(
        self,
        q: ndarray,
        targets: ndarray,
        weights: ndarray,
        lengths: ndarray,
        length_weights: ndarray,
        wrist: ndarray,
        rotation: ndarray,
        wrist_weight: float,
        rotation_weight: float,
        rest: ndarray,
        stiffness: ndarray,
        arm_damping: float,
        arm_damping_per_cost: float,
        lower: ndarray,
        upper: ndarray,
        trust: float,
        within: float,
        table: float,
        converged: float,
        steps: int,
    ) -> tuple[ndarray, int, tuple | None]:
        """Joints [n] after Gauss-Newton steps, how many steps are left, and why it ended.

        Minimised are the squares of least_squares, those of lengths, and stiffness / 2 (q - rest)^2
        of every joint, in lower..upper. The joints before the palm have a damping that grows with
        the palm's cost; no joint moves by more than `trust` in a step. It ends after a step in
        which none moves by more than `converged`: None. Or before a step that would bring two
        capsules, closer than their clearance plus `within`, too near: then the last is the program
        of that step: Hessian, gradient, lower, upper and, as from near, the slacks and gradients of
        the pairs that the step could bring together.
        """
    def lengths(
        self, q: ndarray, targets: ndarray, weights: ndarray
    ) -> tuple[float, ndarray, ndarray]:
        """Cost, gradient [n] and Hessian [n, n] of sum of weight / 2 (|vector| - target)^2."""
    def near(self, q: ndarray, within: float, table: float) -> tuple[ndarray, ndarray]:
        """Pairs of capsules closer than their clearance plus `within`, m of them.

        Returns how much farther each is than its clearance [m] (m) and the gradients [m, n]. Rows
        of capsules near the horizontal table at this height are the last.
        """
    def endangered(
        self,
        q: ndarray,
        within: float,
        table: float,
        lower: ndarray,
        upper: ndarray,
        steps: float,
    ) -> tuple[ndarray, ndarray]:
        """As near, without the pairs that cannot use up their slack in this many steps.

        A step moves every joint by something from lower [n] to upper [n] (rad).
        """
    def can_stop(
        self,
        q: ndarray,
        velocities: ndarray,
        decelerations: ndarray,
        dt: float,
        least: float,
        table: float,
    ) -> bool:
        """Whether no slack falls below `least` (m) on the way to a standstill.

        From q [n] at velocities [n] (rad/s) every joint brakes with its own deceleration [n]
        (rad/s^2), in steps of dt seconds.
        """
