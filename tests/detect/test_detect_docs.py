"""The page of the rules is made from the rules."""

from pathlib import Path

from trailwarden.signs import every_rule
from trailwarden.signs.catalogue import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "detections.md"


def test_the_page_is_as_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == catalogue(), "python -m trailwarden.signs.catalogue > docs/detections.md"


def test_every_rule_is_on_it_with_source_technique_and_blind_spots() -> None:
    page = catalogue()
    for rule in every_rule():
        (entry,) = [each for each in page.split("\n\n") if each.lstrip().startswith(f"**`{rule.id}`**")]
        assert all(each in entry for each in (rule.title, rule.source, rule.technique, rule.blind_spots.strip()))
