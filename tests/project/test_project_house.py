"""The house rules that a machine can keep."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import msgspec
import pytest

from trailwarden import catalog, errors
from trailwarden.faces.cli import build
from trailwarden.settings import Settings, load_settings
from trailwarden.tool import Tool

ROOT = Path(__file__).parents[2]
TOOLS = sorted(catalog.tools().values(), key=lambda tool: tool.id)


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_lock_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    packages = [line for line in lock.splitlines() if "==" in line]
    assert packages
    assert lock.count("--hash=sha256:") >= len(packages)


def test_the_lock_pins_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["demo"],
        *project["dependency-groups"]["dev"],
    ]
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    missing = {name for text in wanted if (name := re.split(r"[\[<>=; ]", text)[0].lower()) not in locked}
    assert not missing


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    reasons = (ROOT / "docs/dependencies.md").read_text()
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["demo"]]
    assert not [text for text in wanted if re.split(r"[\[<>=; ]", text)[0] not in reasons]


#: Written so that this file does not contain what it looks for.
FORBIDDEN = {
    "a vendor's name": re.compile("hi" + r"ro\b", re.IGNORECASE),
    "a vendor's account": re.compile("6058" + "62532274"),
    "a registry's host": re.compile(
        r"files\.python" + r"hosted|py" + r"pi\.org|registry\.npm" + r"js|deb\.deb" + "ian"
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_that_is_committed_names(what: str) -> None:
    texts = {path: path.read_bytes().decode("utf-8", errors="replace") for path in tracked_files()}
    assert not [str(path.relative_to(ROOT)) for path, text in texts.items() if FORBIDDEN[what].search(text)]


def test_every_setting_is_documented_with_its_default_and_nothing_else_is() -> None:
    documented = dict(
        re.findall(
            r"^\| `([a-z_]+\.[a-z_]+)` \| (?:`([^`]*)`)? *\|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE
        )
    )
    actual = {
        f"{section.name}.{setting.name}": _as_toml(setting.default)
        for section in msgspec.structs.fields(Settings)
        for setting in msgspec.structs.fields(section.type)
    }
    assert documented == actual


def _as_toml(value: object) -> str:
    return "" if value == () else str(value).lower() if isinstance(value, bool) else str(value)


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[aws]\nprofil = "x"\n')
    with pytest.raises(errors.UsageError) as caught:
        load_settings(tmp_path)
    assert "profil" in caught.value.message


def test_a_wrong_time_zone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[general]\ntime_zone = "Mars/Olympus"\n')
    with pytest.raises(errors.UsageError):
        load_settings(tmp_path)


def test_the_error_tree_is_drawn_in_its_docstring() -> None:
    drawn = set(re.findall(r"([A-Z]\w+)", (errors.__doc__ or "").split("Expected outcomes", maxsplit=1)[0]))
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes <= drawn


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.id)
def test_each_tool_declares_what_the_faces_need(tool: object) -> None:
    assert isinstance(tool, Tool)
    assert tool.description.splitlines()[0].endswith(".")
    assert tool.effect in ("read", "setup", "propose")
    assert tool.examples, "help without an example"
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Z]\w+", action) for action in tool.needs)
    for parameter in tool.parameters:
        assert parameter.type is not None


def test_a_file_whose_name_is_not_its_tool_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "odd_tools"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("def two():\n    pass\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import odd_tools\nfrom trailwarden.catalog import collect\ncollect(odd_tools)"
    )
    failed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "must declare a @tool function named one" in failed.stderr


def commands(command: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        return [entry for name, inner in command.commands.items() for entry in commands(inner, (*path, name))]
    return [(path, command)]


@pytest.mark.parametrize(
    ("path", "command"), commands(build(), ()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_option_has_help(path: tuple[str, ...], command: click.Command) -> None:
    without = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not without, f"{' '.join(path)}: {without}"


def test_start_up_imports_nothing_heavy() -> None:
    heavy = (
        "duckdb",
        "pyarrow",
        "sqlglot",
        "boto3",
        "botocore",
        "sqlalchemy",
        "alembic",
        "rich",
        "lark",
        "moto",
        "numpy",
        "fastapi",
        "mcp",
    )
    program = (
        "import sys\nfrom trailwarden.faces.cli import build\nbuild()\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
