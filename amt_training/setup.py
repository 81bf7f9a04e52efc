from setuptools import find_packages, setup

PACKAGE = "amt_training"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["config/*.yaml", "config/experiment/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="AMT maintainers",
    maintainer_email="maintainers@users.noreply.github.com",
    description="Offline training and evaluation of the AMT models",
    license="Apache-2.0",
)
