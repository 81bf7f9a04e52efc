from glob import glob

from setuptools import Extension, find_packages, setup

PACKAGE = "amt_retarget"

try:
    from pybind11 import get_include

    PYBIND11 = [get_include()]
except ImportError:  # a distribution's own, such as Debian's pybind11-dev, is found without help
    PYBIND11 = []

KERNEL = Extension(
    f"{PACKAGE}._kernel",
    sources=["kernel/module.cpp"],
    depends=glob("kernel/*.hpp"),
    include_dirs=PYBIND11,
    extra_compile_args=["-std=c++17", "-O3", "-fvisibility=hidden"],
    language="c++",
)

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["config/*"]},
    ext_modules=[KERNEL],
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/urdf", glob("../urdf/*.xacro") + glob("../urdf/*.urdf")),
    ],
    install_requires=["setuptools", "numpy", "pin", "daqp"],
    extras_require={
        "offline": ["scipy", "matplotlib", "tqdm"],
        "simulation": ["scipy", "mujoco", "vhacdx", "libigl", "Pillow", "tqdm"],
        "test": ["pytest"],
    },
    zip_safe=False,
    maintainer="AMT maintainers",
    maintainer_email="maintainers@users.noreply.github.com",
    description="Retargeting of human hands to an Allegro hand on a UR arm",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            f"retarget_node = {PACKAGE}.nodes.retarget_node:main",
            f"mujoco_node = {PACKAGE}.nodes.mujoco_node:main",
            f"robot_state_node = {PACKAGE}.nodes.robot_state_node:main",
        ]
    },
)
