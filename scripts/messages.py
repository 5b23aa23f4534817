"""Add what the code asks to be translated and the Chinese catalogue does not hold yet; tell what is untranslated.

For those who write pages: `make messages` appends the missing entries, empty, with their places; fill them in.
Entries that nobody asks for any more are listed, not deleted: some are looked up by a variable.
"""

import sys
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.house.test_translations import CHINESE, messages  # noqa: E402  (the path above comes first)

HEADER = {"Content-Type": "text/plain; charset=utf-8", "Language": "zh_Hans", "Plural-Forms": "nplurals=1; plural=0;"}


def main() -> int:
    """Exit 0 when every entry is translated, 1 when some wait for a translator."""
    path = ROOT / CHINESE
    if path.exists():
        catalogue = polib.pofile(str(path), wrapwidth=110)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = polib.POFile(wrapwidth=110)
        catalogue.metadata = HEADER
    have = {(entry.msgctxt, entry.msgid): entry for entry in catalogue}
    asked = {(message.context, message.msgid): message for message in messages()}
    for key in sorted(set(asked) - set(have), key=str):
        message = asked[key]
        entry = polib.POEntry(msgid=message.msgid, msgctxt=message.context, occurrences=[(message.path, "")])
        if message.plural:
            entry.msgid_plural, entry.msgstr_plural = message.plural, {0: ""}
        catalogue.append(entry)
    catalogue.save(str(path))
    waiting = catalogue.untranslated_entries()
    for entry in waiting:
        print(f"untranslated: {entry.msgid!r}")
    for key in sorted(set(have) - set(asked), key=str):
        print(f"nobody asks for: {key[1]!r}")
    return 1 if waiting else 0


if __name__ == "__main__":
    sys.exit(main())
