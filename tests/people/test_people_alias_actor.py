"""Whose word an alias is."""

from pathlib import Path

from trailwarden.app import App
from trailwarden.model.proposal import Actor


def test_an_alias_names_who_added_it_and_not_whose_server_it_is(tmp_path: Path) -> None:
    with App.open(tmp_path) as app:
        ana = app.acting(Actor(kind="person", name="ana@company.com", via="console"))
        ana.identity_alias_add("john@company.com", "jsmith", reason="HR list")
        assert [each.added_by for each in app.state.aliases.list()] == ["ana@company.com"]
