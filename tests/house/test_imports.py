"""Imports point down the layers, and each outside tool is imported in its one file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SOURCE = TOP / "lib" / "clickmill"

STAGES = {"clean", "features", "ingest", "metrics", "models", "publish", "simulate"}
EDGE = {"config", "log", "lake", "ledger", "quality", "session"}
# From the bottom up; a module imports from lower rows only, so siblings of a row do not know each other.
LAYERS = (
    {"contracts"},
    STAGES,
    {"sections"},
    {"facts", "folders", "reused"},
    {"commits", "exports", "locks"},
    {"config", "log", "lake", "quality"},
    {"ledger", "session"},
    {"inputs", "releases"},
    {"admission", "attempts", "audit", "lineage", "querying", "river", "vacuum"},
    {"dictionary", "execution"},
    {"staleness"},
    {"flow"},
    {"terminal"},
    {"job"},
    {"cli_sources", "cli_tables", "cli_train", "doctor", "notebook", "truth"},
    {"cli_releases"},
    {"cli"},
    {"demo"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# The config validates the files of conf/sources/ by the stage that reads them.
EDGE_MAY = {("config", "ingest")}

TOOLS = {
    "delta": {"lake.py"},
    "deltalake": {"lake.py"},
    "great_expectations": {"quality/engine.py"},
    "horovod": {"models/ranks.py"},
    "petastorm": {"models/feed.py"},
}


def imported(file: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: a relative import hides the layer; name the module in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(dotted: str) -> str | None:
    """The room of clickmill that a name lies in: `clickmill.clean.order` -> `clean`; None for the package's own facts."""
    names = dotted.split(".")
    return names[1] if names[0] == "clickmill" and len(names) > 1 and not names[1].startswith("__") else None


def imports_within() -> Iterator[tuple[str, str, str]]:
    """Importing file, its room, and the room that it imports from, for every import across rooms."""
    for file in sorted(SOURCE.rglob("*.py")):
        place = file.relative_to(SOURCE)
        room = place.parts[0].removesuffix(".py")
        for name in imported(file):
            target = part(name)
            if target is not None and target != room:
                yield str(place), room, target


def test_every_module_has_its_layer() -> None:
    rooms = {path.name.removesuffix(".py") for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} <= set(LEVEL), "a new module: give it a row of LAYERS"


def test_imports_point_down_and_never_to_a_sibling() -> None:
    assert [f"{place} imports {target}" for place, room, target in imports_within() if LEVEL[target] >= LEVEL[room]] == []


def test_the_edge_knows_no_stage() -> None:
    known = {(room, target) for _, room, target in imports_within() if room in EDGE and target in STAGES}
    assert known <= EDGE_MAY


@pytest.mark.parametrize("tool", TOOLS)
def test_an_outside_tool_is_imported_in_its_one_file(tool: str) -> None:
    files = [*SOURCE.rglob("*.py"), *(TOP / "jobs").rglob("*.py")]
    users = {
        str(file.relative_to(SOURCE)) if SOURCE in file.parents else file.name
        for file in files
        if tool in {n.split(".")[0] for n in imported(file)}
    }
    assert users <= TOOLS[tool]


def test_what_a_simulation_plants_is_known_to_nobody_but_the_simulator() -> None:
    """Its doors are `landing`, which makes a shop, and `found`, which compares; a job that knew the truth could not be judged by it."""
    files = [*SOURCE.rglob("*.py"), *(TOP / "jobs").rglob("*.py")]
    outside = [file for file in files if SOURCE / "simulate" not in file.parents]
    users = {(file.name, name) for file in outside for name in imported(file) if part(name) == "simulate"}
    doors = {("cli.py", "clickmill.simulate.landing"), ("demo.py", "clickmill.simulate.landing"), ("truth.py", "clickmill.simulate.found")}
    assert users == doors | {("truth.py", "clickmill.simulate.found.Finding")}


def test_only_session_builds_a_spark_session() -> None:
    builders = {
        file.name
        for file in [*SOURCE.rglob("*.py"), *(TOP / "jobs").rglob("*.py")]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "builder"
        and isinstance(node.value, ast.Name)
        and node.value.id == "SparkSession"
    }
    assert builders == {"session.py"}


def test_jobs_import_only_clickmill_and_pyspark_and_nothing_above_job() -> None:
    for file in sorted((TOP / "jobs").glob("*.py")):
        for name in imported(file):
            target = part(name)
            assert target is None or LEVEL[target] <= LEVEL["job"], f"{file.name} imports {name}"
            assert name.split(".")[0] in {"clickmill", "pyspark", "collections", "typing"}, f"{file.name} imports {name}"
