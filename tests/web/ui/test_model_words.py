"""Shipped models are named in the reader's language, and nothing an own version says is taken for one of theirs."""

from dataclasses import replace

import polib
import pytest
from django.utils.translation import override

from prewatt.core.meters.catalogue import catalogue as shipped
from prewatt.office.estate import links, wires
from prewatt.web.ui import model_words
from tests.house.reading import ROOT
from tests.house.test_translations import CHINESE

CATALOGUE = {entry.msgid for entry in polib.pofile(str(ROOT / CHINESE)) if entry.msgctxt == model_words.CONTEXT}


def test_every_note_and_every_name_in_words_has_its_chinese() -> None:
    asked = {each.note for each in shipped().values()} | {each.name for each in shipped().values() if " " in each.name}
    assert {text for text in asked if text and any(map(str.islower, text))} <= CATALOGUE


@pytest.mark.parametrize(
    ("code", "chinese", "english"),
    [
        ("pilot-spm9511", "Pilot SPM9511", "Pilot SPM9511"),
        ("acrel-dtsy1352-nk-purse", "Acrel DTSY1352-NK（表内按金额计费）", "Acrel DTSY1352-NK, money in the meter"),
        ("sts-rs485", "STS 电表（RS-485）", "STS meter with RS-485"),
    ],
)
def test_a_model_is_named_once_and_in_the_language_asked_for(code: str, chinese: str, english: str) -> None:
    with override("zh-hans"):
        assert model_words.model_name(shipped()[code]) == chinese
    with override("en"):
        assert model_words.model_name(shipped()[code]) == english


def test_an_own_version_keeps_the_words_of_its_author() -> None:
    own = replace(shipped()["pilot-spm9511"], name="Meters", note="")
    with override("zh-hans"):
        assert (model_words.model_name(own), model_words.said(own.note)) == ("Pilot Meters", "")


def test_every_link_has_a_short_word() -> None:
    assert {*links.OPENED, *wires.CALLING} <= set(model_words.TRANSPORTS)
