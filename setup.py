"""Packaging. lib/ is the source root; the data folders at the top of the tree ride inside the package under private names."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
DATA = {"schemas": "*.json", "expectations": "*.json", "conf": "*", "jobs": "*.py"}


def requirements(group: str) -> list[str]:
    """The packages that requirements/<group>.in names."""
    lines = (HERE / "requirements" / f"{group}.in").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def data_packages() -> dict[str, str]:
    """Package name to folder, for each data folder and the folders inside it."""
    found = {}
    for top in DATA:
        for folder in [HERE / top, *(path for path in sorted((HERE / top).rglob("*")) if path.is_dir() and path.name != "__pycache__")]:
            inside = folder.relative_to(HERE)
            found[".".join(("clickmill", f"_{inside.parts[0]}", *inside.parts[1:]))] = str(inside)
    return found


packages = data_packages()
setup(
    name="clickmill",
    version=re.search(r'__version__ = "(.+)"', (HERE / "lib/clickmill/__init__.py").read_text(encoding="utf-8"))[1],
    description="Raw clickstream in, checked recommendation tables out, on Spark and Delta Lake",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    package_dir={"": "lib", **packages},
    packages=[*find_packages("lib"), *packages],
    package_data={name: [DATA[folder.split("/")[0]]] for name, folder in packages.items()},
    install_requires=requirements("core"),
    extras_require={group: requirements(group) for group in ("train", "demo", "notebooks", "dev")},
    entry_points={"console_scripts": ["clickmill = clickmill.cli:main"]},
)
