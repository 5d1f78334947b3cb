"""The wheel is whole: a zip copy of it alone, as Spark serves it, brings code, schemas, config, rules and jobs."""

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from clickmill import session
from clickmill.config import spark_properties

TOP = Path(__file__).resolve().parents[2]
DATA = ("schemas", "expectations", "conf", "jobs")
# Package names where they differ from the name that is imported.
PACKAGE = {"yaml": "pyyaml", "delta": "delta-spark", "py4j": "pyspark"}
READ_ALL = """
import sys
sys.path[:0] = sys.argv[1:3]
import clickmill
from clickmill.contracts import resources
assert ".zip" in clickmill.__file__, clickmill.__file__
for path in sys.argv[3:]:
    print(path, len(resources.text(path).encode()))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip copy of the wheel, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("lib", "requirements", *DATA):
        shutil.copytree(TOP / name, folder / "tree" / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(TOP / name, folder / "tree" / name)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=folder / "tree", check=True, capture_output=True)
    return Path(shutil.copy(next(folder.glob("*.whl")), folder / "clickmill.zip"))


def test_every_data_file_is_read_from_the_zip_alone(wheel: Path, tmp_path: Path) -> None:
    files = [path for name in DATA for path in sorted((TOP / name).rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    expected = [f"{path.relative_to(TOP)} {path.stat().st_size}" for path in files]
    # Without site, so that the editable install of the checkout stays out of sight.
    command = [sys.executable, "-S", "-c", READ_ALL, str(wheel), sysconfig.get_paths()["purelib"], *(line.split()[0] for line in expected)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == expected


def test_the_command_line_needs_the_zip_alone_and_finds_the_jobs_in_it(wheel: Path, tmp_path: Path) -> None:
    program = shutil.copy(TOP / "tools" / "clickmill_cli.py", tmp_path)
    env = {"PYTHONPATH": f"{wheel}:{sysconfig.get_paths()['purelib']}"}
    done = subprocess.run([sys.executable, "-S", program, "flow"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"{path.stem} " in done.stdout for path in (TOP / "jobs").glob("*.py"))


def test_the_wheel_holds_every_module_of_lib(wheel: Path) -> None:
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-l", str(wheel)], capture_output=True, text=True, check=True).stdout
    modules = {str(path.relative_to(TOP / "lib")) for path in (TOP / "lib").rglob("*.py")}
    assert modules - {line.split()[0] for line in listed.splitlines()} == set()


def test_the_jar_of_delta_has_the_version_of_its_python_package() -> None:
    pinned = re.search(r"^delta-spark==(\S+)$", (TOP / "requirements/core.in").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned is not None
    assert f"io.delta:delta-spark_2.13:{pinned[1]}" == session.DELTA_PACKAGE


@pytest.mark.parametrize("lock", ["lock", "core", "boot", "horovod"])
def test_a_lock_has_a_hash_for_every_package_and_names_no_registry(lock: str) -> None:
    text = (TOP / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert packages
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in text
    assert "index-url" not in text


def test_the_core_lock_pins_what_the_whole_lock_pins() -> None:
    def pins(lock: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9]\S*==\S+", (TOP / "requirements" / f"{lock}.txt").read_text(encoding="utf-8"), re.MULTILINE))

    assert pins("core")
    assert pins("core") <= pins("lock")


def test_what_the_package_imports_is_declared_and_what_is_declared_is_imported() -> None:
    files = [*(TOP / "lib").rglob("*.py"), *(TOP / "jobs").glob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    outside = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"clickmill"}
    used = {PACKAGE.get(name, name).replace("_", "-") for name in outside}

    def declared(*groups: str) -> set[str]:
        texts = [(TOP / "requirements" / f"{group}.in").read_text(encoding="utf-8") for group in groups]
        return {name for text in texts for name in re.findall(r"^[a-z][a-z0-9-]*", text, re.MULTILINE)}

    assert used - declared("core", "train", "horovod", "demo") == set()
    # Spark's pandas functions need pandas and pyarrow, whether or not a file names them.
    assert declared("core") - used <= {"pandas", "pyarrow"}


@pytest.mark.parametrize("env", ["yarn", "k8s", "databricks"])
def test_properties_that_change_results_are_the_same_in_every_environment(env: str) -> None:
    here, local = spark_properties(env), spark_properties("local")
    for key in (
        "spark.sql.session.timeZone",
        "spark.sql.legacy.javaCharsets",
        "spark.sql.parquet.outputTimestampType",
        "spark.sql.extensions",
        "spark.sql.catalog.spark_catalog",
        "spark.redaction.regex",
    ):
        assert here[key] == local[key]
    assert "-Duser.timezone=UTC" in here["spark.driver.extraJavaOptions"]
    assert "-Duser.timezone=UTC" in here["spark.executor.extraJavaOptions"]
    assert "spark.sql.ansi.enabled" not in {**here, **local}


@pytest.mark.parametrize("word", ["secret", "PASSWORD", "api_token", "key"])
def test_names_of_secrets_are_redacted(word: str) -> None:
    assert re.search(spark_properties("local")["spark.redaction.regex"], word)
