"""Text that somebody else wrote, and what in it cannot be seen."""

import re

#: Characters that move, hide or reorder text, or take room without being seen: controls, format characters, fillers,
#: variation selectors, tags.
UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
