"""Actions are found by the names of their files, and by no other."""

import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from trailwarden.actions import actions, collect
from trailwarden.model.proposal import ActionName

HEAD = "from trailwarden.action import Action\n"


def test_the_actions_on_users_are_there_and_complete() -> None:
    found = actions()
    assert {"disable_user", "delete_user", "delete_access_key"} <= set(found) <= set(get_args(ActionName))
    for name, kind in found.items():
        assert kind.name == name
        assert kind.title
        assert kind.__doc__
        assert kind.reads
        assert kind.writes
        assert kind.examples
        (fields,) = (each["properties"] for each in msgspec.json.schema(kind)["$defs"].values())
        assert [field for field, schema in fields.items() if not schema.get("description")] == []


@pytest.mark.parametrize(
    ("file", "body"),
    [
        ("delete_user", ""),
        ("delete_user", "class Delete(Action, frozen=True, kw_only=True):\n    name = 'disable_user'\n"),
        ("delete_user", "class A(Action):\n    name = 'delete_user'\nclass B(Action):\n    name = 'delete_user'\n"),
        ("delete_users", "class Delete(Action, frozen=True, kw_only=True):\n    name = 'delete_users'\n"),
    ],
    ids=["none", "another name", "two", "no such action"],
)
def test_a_file_that_declares_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, body: str
) -> None:
    package = tmp_path / "strange_actions"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / f"{file}.py").write_text(HEAD + body)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TypeError, match=f"{file} must declare one Action"):
        collect("strange_actions", [str(package)])
    for name in [name for name in sys.modules if name.startswith("strange_actions")]:
        del sys.modules[name]
