"""What stands around the robot: floor, table, sky and lights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amt_retarget.simulation.engine import import_mujoco

if TYPE_CHECKING:
    import mujoco

FLOOR_HEIGHT = -0.72
"""Height of the floor below the table top, m."""


def add_scene(spec: mujoco.MjSpec) -> None:
    """Add floor, table, sky and lights; the table top is at height 0, under the robot's base."""
    mujoco = import_mujoco()
    world = spec.worldbody

    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.86, 0.90, 0.95],
        rgb2=[0.55, 0.63, 0.72],
        width=64,
        height=64,
    )
    spec.add_material(name="floor", rgba=[0.62, 0.65, 0.69, 1], specular=0.1)
    spec.add_material(name="table_top", rgba=[0.93, 0.90, 0.85, 1], specular=0.2, shininess=0.3)
    spec.add_material(name="table_frame", rgba=[0.32, 0.34, 0.37, 1], specular=0.3, shininess=0.4)

    box = mujoco.mjtGeom.mjGEOM_BOX
    world.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=[0, 0, FLOOR_HEIGHT],
        size=[6, 6, 0.1],
        material="floor",
    )
    centre, half_length, half_width, half_height = 0.35, 0.65, 0.5, 0.02
    world.add_geom(
        name="table_top",
        type=box,
        pos=[centre, 0, -half_height],
        size=[half_length, half_width, half_height],
        material="table_top",
    )
    leg = (-FLOOR_HEIGHT - 2 * half_height) / 2
    for x in (-half_length + 0.06, half_length - 0.06):
        for y in (-half_width + 0.06, half_width - 0.06):
            world.add_geom(
                type=box,
                pos=[centre + x, y, FLOOR_HEIGHT + leg],
                size=[0.03, 0.03, leg],
                material="table_frame",
            )

    # Shadows are drawn for a region of this size, and the camera's clipping follows it.
    spec.stat.center = [0.3, 0, 0.3]
    spec.stat.extent = 1.2
    spec.visual.headlight.ambient = [0.36, 0.36, 0.37]
    spec.visual.headlight.diffuse = [0.30, 0.30, 0.30]
    spec.visual.headlight.specular = [0.2, 0.2, 0.2]
    spec.visual.quality.shadowsize = 2048
    spec.visual.quality.numslices = 24
    spec.visual.quality.numstacks = 12
    world.add_light(
        name="key",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[0.65, 0.5, 1.45],  # near by: the shadow map is dotted far from it
        dir=[-0.35, -0.45, -1.0],
        diffuse=[0.45, 0.45, 0.43],
        specular=[0.3, 0.3, 0.3],
    )
    world.add_light(
        name="fill",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[1.5, -2.0, 1.5],
        dir=[-0.5, 0.8, -0.4],
        diffuse=[0.25, 0.26, 0.28],
        specular=[0.3, 0.3, 0.3],
        castshadow=False,
    )
