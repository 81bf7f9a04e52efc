"""MuJoCo model of the robot on its table, built from the same URDF that the solver uses."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import numpy as np

from amt_retarget.robot.description import HAND_JOINT_NAMES, JOINT_NAMES, urdf_path
from amt_retarget.simulation.engine import import_mujoco
from amt_retarget.simulation.scene import add_scene

if TYPE_CHECKING:
    import mujoco

TIMESTEP = 0.002
"""Length of one physics step, s."""

NATURAL_FREQUENCY = 100.0
"""Of each joint's position servo, rad/s, with the joint's own inertia at the zero position."""
DAMPING_RATIO = 0.9

STOP_SOLREF = (0.004, 1.0)
STOP_SOLIMP = (0.995, 0.999)
STOP_MARGIN = 0.01
"""Mechanical stops as stiff as the time step allows. MuJoCo's default ones give way by 0.1 rad
where fingers press on each other; the margin (rad) lets a stop begin before the limit."""

HAND_ARMATURE = 1e-3
ARM_ARMATURE = 0.1
"""Inertia of rotor and gear felt at the joint, kg m^2. Gears of 1:100 and more make it matter; the
makers publish no figures, so these are magnitudes, not measurements."""

VISUAL_GROUP = 2
COLLISION_GROUP = 3
"""Groups as in MuJoCo Menagerie: a viewer shows group 2 and hides group 3."""

FINISH = {
    "aluminium": {"specular": 0.5, "shininess": 0.6},
    "joint_grey": {"specular": 0.3, "shininess": 0.4},
    "ur_blue": {"specular": 0.5, "shininess": 0.7},
    "hand_black": {"specular": 0.4, "shininess": 0.5},
    "hand_grey": {"specular": 0.4, "shininess": 0.5},
    "rubber": {"specular": 0.1, "shininess": 0.1},
}
"""How each of the URDF's materials reflects light; URDF itself only knows colours."""


def build_spec(arm: str, hand: str) -> mujoco.MjSpec:
    """The robot with its actuators on a table, ready for more objects, then `spec.compile()`.

    The world is base_link: z up, origin on the table top, the robot faces +x. Every joint has a
    position actuator of its own name with the URDF's position and effort limits. Gravity of the
    robot itself is compensated within the effort limits, as the real controllers do.
    """
    mujoco = import_mujoco()
    root = ET.parse(urdf_path(arm, hand)).getroot()
    options = ET.SubElement(ET.SubElement(root, "mujoco"), "compiler")
    options.attrib.update(discardvisual="false", fusestatic="false")
    spec = mujoco.MjSpec.from_string(ET.tostring(root, encoding="unicode"))

    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    _finish_surfaces(spec, root)
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0
    for joint in spec.joints:
        joint.actgravcomp = True
        joint.solref_limit = STOP_SOLREF
        joint.solimp_limit[:2] = STOP_SOLIMP
        joint.margin = STOP_MARGIN
        joint.armature = HAND_ARMATURE if joint.name in HAND_JOINT_NAMES else ARM_ARMATURE
    # The boxes of palm and thumb share the space about the joints between them.
    spec.add_exclude(bodyname1="palm_link", bodyname2="thumb_link_1")
    _add_servos(spec)
    add_scene(spec)
    return spec


def build_model(arm: str, hand: str) -> mujoco.MjModel:
    """Compile `build_spec(arm, hand)`; RetargetError for an unknown arm or hand."""
    return build_spec(arm, hand).compile()


def _finish_surfaces(spec: mujoco.MjSpec, root: ET.Element) -> None:
    """Give the URDF's coloured shapes their materials and sort them into groups."""
    names: dict[tuple[float, ...], str] = {}
    for element in root.findall("material"):
        name = element.attrib["name"]
        values = [float(value) for value in element[0].attrib["rgba"].split()]
        rgba = tuple(np.array(values, dtype=np.float32).tolist())  # as MuJoCo keeps it
        spec.add_material(name=name, rgba=rgba, **FINISH[name])
        names[rgba] = name
    for geom in spec.geoms:
        if geom.contype:
            geom.group = COLLISION_GROUP
        else:
            geom.group = VISUAL_GROUP
            geom.material = names[tuple(geom.rgba.tolist())]


def _add_servos(spec: mujoco.MjSpec) -> None:
    """Position actuators with one natural frequency: stiffness w^2 I, damping 2 d w I.

    The joint's own damping, from the URDF, is part of it. An actuator's ends where its effort does:
    alone, it would let a finger that slips off another one shoot away.
    """
    mujoco = import_mujoco()
    model = spec.compile()
    for name in JOINT_NAMES:
        joint = model.joint(name)
        inertia = float(model.dof_M0[joint.dofadr[0]])
        stiffness = NATURAL_FREQUENCY**2 * inertia
        damping = max(
            0.0,
            2 * DAMPING_RATIO * NATURAL_FREQUENCY * inertia
            - float(model.dof_damping[joint.dofadr[0]]),
        )
        actuator = spec.add_actuator(name=name, target=name)
        actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
        actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
        actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        actuator.gainprm[0] = stiffness
        actuator.biasprm[1:3] = [-stiffness, -damping]
        actuator.ctrlrange = joint.range
