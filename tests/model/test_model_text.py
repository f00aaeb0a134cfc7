"""Characters that cannot be seen: which they are, and that all who show or keep text agree on them."""

import re
import unicodedata
from pathlib import Path

import pytest

import trailwarden.faces.web
from trailwarden.access import check_login, check_name
from trailwarden.errors import UsageError
from trailwarden.faces.terminal import safe, safe_json
from trailwarden.model.text import UNSEEN

SCRIPT = Path(trailwarden.faces.web.__file__).parent / "static/js/dom.js"
HIDDEN = {
    "escape": "\x1b",
    "C1 control": "\x9b",
    "soft hyphen": "\u00ad",
    "grapheme joiner": "\u034f",
    "Hangul filler": "\u3164",
    "halfwidth Hangul filler": "\uffa0",
    "Hangul choseong filler": "\u115f",
    "Mongolian selector": "\u180b",
    "zero width space": "\u200b",
    "override": "\u202e",
    "isolate": "\u2066",
    "Braille blank": "\u2800",
    "variation selector": "\ufe0f",
    "variation selector supplement": "\U000e0100",
    "tag": "\U000e0041",
    "byte order mark": "\ufeff",
}


@pytest.mark.parametrize("character", HIDDEN.values(), ids=HIDDEN.keys())
def test_what_cannot_be_seen_is_written_out_and_no_part_of_a_name(character: str) -> None:
    written = character.encode("unicode_escape").decode()
    assert safe(f"jane{character}doe") == f"jane{written}doe"
    with pytest.raises(UsageError):
        check_login(f"jane{character}doe")
    with pytest.raises(UsageError):
        check_name(f"Jane{character}Doe")


@pytest.mark.parametrize("character", HIDDEN.values(), ids=HIDDEN.keys())
def test_json_for_a_terminal_is_the_same_json(character: str) -> None:
    import json  # noqa: PLC0415

    value = {"user_agent": f"é{character}\n"}
    shown = safe_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(shown) == value
    assert not UNSEEN.search(shown.replace("\n", ""))


@pytest.mark.parametrize("text", ["jane", "José Ñandú", "李雷", "Ωμέγα", "עברית", "मोहन", "𝒜", "—…€"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert safe(text) == text


def test_every_format_and_control_character_is_among_them() -> None:
    # U+06DD and its like are drawn around the digits that follow.
    drawn = re.compile(r"[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
    missed = [
        f"U+{code:04X}"
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in ("Cc", "Cf")
        and not UNSEEN.match(chr(code))
        and not drawn.match(chr(code))
    ]
    # Of hieroglyphs, shorthand and music, whose parts they join.
    assert all(each.startswith(("U+134", "U+1BCA", "U+1D17")) for each in missed), missed


def test_the_console_s_script_knows_the_same_characters() -> None:
    found = re.search(r"const UNSAFE = /\[(.+)\]/gu;", SCRIPT.read_text(encoding="utf-8"))
    assert found is not None
    python = UNSEEN.pattern.replace("\\x", "\\u00")
    python = re.sub(r"\\U000([0-9a-f]{5})", r"\\u{\1}", python)
    assert python == f"[{found[1]}]"
