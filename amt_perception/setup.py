from glob import glob

from setuptools import find_packages, setup

PACKAGE = "amt_perception"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["config/*", "**/*.npz", "weights/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", glob("../launch/*.launch.py")),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="AMT maintainers",
    maintainer_email="maintainers@users.noreply.github.com",
    description="Hand, object and contact perception for dexterous robots",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            f"video_node = {PACKAGE}.nodes.video_node:main",
            f"perception_node = {PACKAGE}.nodes.perception_node:main",
            f"grasp_node = {PACKAGE}.nodes.grasp_node:main",
            f"composed_node = {PACKAGE}.nodes.composed_node:main",
            f"calibration_recorder = {PACKAGE}.nodes.calibration_recorder:main",
        ]
    },
)
