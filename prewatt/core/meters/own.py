"""A site's own versions of meter models (自建表型): their names, what they must fulfil, where a refusal belongs.

A version is named `code@number`; shipped profiles have no `@`. The text under such a name never changes, so whoever
has read it once may keep what he read.
"""

import re
import tomllib
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from prewatt.core.meters.catalogue import catalogue
from prewatt.core.meters.drivers.looks import READ_GROUPS
from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.model import Group, Profile, Protocol, inside
from prewatt.core.meters.profile import MAX_TEXT, load
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused, Text, register

MARK: Final = "@"
MAX_LINE: Final = 400  # characters; shipped texts stay below 180. A dotted key costs its length squared to read
MAX_VERSION: Final = 9999  # what the column of a meter has room for behind the longest code

register(
    {
        "profile_code_shipped": Text(
            "{taken} is the code of a model that comes with the product: give yours another one.",
            "{taken} 是系统自带表型的代号：请另取一个代号。",
        ),
        "profile_unpolled": Text(
            "A meter that is polled needs {quantity}, and at least one block of the groups status and registers.",
            "需要抄表的表型必须有 {quantity}，并且 status 和 registers 两组各至少有一个数据块。",
        ),
        "profile_twins": Text(
            "Two blocks that are read one after the other, at {first} and {second}, are asked for by the same function "
            "and length: a late reply to one would be taken for the other. Make one longer.",
            "相邻读取的两个数据块（{first} 与 {second}）功能码和长度相同，迟到的应答会被误认。请加长其中一个。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class OwnVersion:
    """One version of a site's own profile as it travels to the head-end."""

    code: str  # as a meter names it: see `name_of`
    text: str


def name_of(code: str, version: int) -> str:
    """What a meter carries as its profile: the version for ever, not the newest one."""
    assert 1 <= version <= MAX_VERSION, version
    return f"{code}{MARK}{version}"


def parted(name: str) -> tuple[str, int] | None:
    """Code and number of an own version's name; None for anything else."""
    code, mark, number = name.partition(MARK)
    known = mark and code and number.isascii() and number.isdecimal() and len(number) <= len(str(MAX_VERSION))
    return (code, int(number)) if known else None


def load_own(version: OwnVersion) -> Profile:
    """The profile under its full name. Raises Refused with a `profile_...` code."""
    return replace(load(version.text), code=version.code)


def check_own(text: str) -> Profile:
    """The profile of a text that shall become a site's own. Raises Refused `profile_...`.

    Stricter than `load` by what the contract tests ask of shipped ones: what a meter could not be billed by is refused
    before it is anybody's meter.
    """
    for number, line in enumerate(text[:MAX_TEXT].split("\n"), 1):
        if len(line) > MAX_LINE:
            raise Refused("profile_malformed", detail=f"more than {MAX_LINE} characters at line {number}")
    profile = load(text)
    if profile.code in catalogue():
        raise Refused("profile_code_shipped", taken=profile.code)
    needed = (Quantity.ENERGY_IMPORT_TOTAL, Quantity.POWER_ACTIVE)
    missing = next((each for each in needed if each not in profile.registers), needed[0])
    if not profile.registers.keys() >= set(needed) or not profile.blocks.keys() >= {Group.STATUS, Group.REGISTERS}:
        raise Refused("profile_unpolled", quantity=missing.value)
    if profile.order is not None and profile.resolution % profile.order.factor:
        # an amount that was sold and that no order can carry
        raise Refused("profile_value", key="profile.model.resolution", value=profile.resolution)
    check_twins(profile)
    return profile


def check_twins(profile: Profile) -> None:
    """RTU numbers nothing: a late reply fits any request of the same function and length. DL/T 645 names its item.
    Raises Refused profile_twins."""
    if Quantity.ENERGY_IMPORT_TOTAL not in profile.registers:
        return
    for intent, groups in READ_GROUPS.items():
        asked = [block for group in groups for block in profile.blocks.get(group, ())]
        if intent is Intent.READ_STATUS:  # of a server-held circuit: with the energy that is charged
            total = profile.registers[Quantity.ENERGY_IMPORT_TOTAL]
            asked += [block for block in profile.blocks[total.group] if inside(total, block)]
        for first, second in pairwise(asked):
            same = (first.function, first.count) == (second.function, second.count)
            if first.address == second.address if profile.protocol is Protocol.DLT645 else same:
                at, then = (f"{each.address:04X}h" for each in (first, second))
                raise Refused("profile_twins", first=at, second=then)


# --- where a refusal belongs -------------------------------------------------------------------

_HEAD: Final = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\"-]+)\s*\]\]?\s*(#.*)?$")
_PLACE: Final = re.compile(r"profile\.([a-z_]+)(?:\[(\d+)\])?(?:\.([a-z_]+))?(?:\.([A-Za-z0-9_]+))?$")
_AT_LINE: Final = re.compile(r"at line (\d+)")
_NAMES: Final = ("quantity", "fact")
_KEYS: Final = {  # what of a register a refusal is about, where it says only whose
    "profile_unknown_type": ("type",),
    "profile_scale": ("scale",),
    "profile_unit": ("unit",),
    "profile_offset": ("offset",),
    "profile_field": ("mask", "bit", "not_bit"),
    "profile_address": ("address",),
    "profile_overlap": ("address", "di"),
    "profile_not_in_block": ("address", "di"),
}


def line_of(text: str, refused: Refused) -> int | None:
    """The line (from 1) of a profile's text that a refusal of `load` is about; None where it is about the whole."""
    params = {key: str(value) for key, value in refused.params.items()}
    if refused.code == "profile_malformed":
        detail = params.get("detail", "")
        found = _AT_LINE.search(detail)
        return int(found[1]) if found else text.count("\n") + 1 if "end of document" in detail else None
    if len(text) > MAX_TEXT:
        return None
    heads = _heads(text)
    if refused.code == "profile_twins":
        return _block_at(text, heads, params["second"])
    if refused.code == "profile_identifier":
        typed = re.compile(rf"\s*{re.escape(params['key'])}\s*=\s*[\"']{re.escape(params['value'])}")
        return next((number for number, line in enumerate(text.splitlines(), 1) if typed.match(line)), None)
    if refused.code == "profile_unpolled":
        return _first(heads, "model")
    if "key" in params and (hit := _PLACE.match(params["key"])):
        return _keyed(text, heads, hit)
    if refused.code == "profile_unlock":
        return _first(heads, "unlock")
    if refused.code == "profile_byte_order":
        return _first(heads, params["table"])
    if refused.code in ("profile_relay", "profile_control"):
        return _first(heads, "relay")
    if refused.code == "profile_no_witness":
        return _within(text, _first(heads, "model"), "custody")
    if refused.code == "profile_code_shipped":
        return _within(text, _first(heads, "model"), "code")
    if "group" in params:
        return _longest(text, heads, params["group"])
    wanted = params.get("second") or params.get("quantity") or params.get("value") or ""
    if wanted == "order":
        return _first(heads, "order")
    last = refused.code in ("profile_duplicate", "profile_overlap")
    at = _named(text, heads, wanted, last=last)
    head = max((line for line, _ in heads if at is not None and line <= at), default=None)
    keys = (_within(text, head, key) for key in _KEYS.get(refused.code, ()))
    return next((line for line in keys if line is not None), at)


def _heads(text: str) -> list[tuple[int, str]]:
    """Line and name of every table; the n-th of an array is `register[n]`."""
    found, counts = [], dict[str, int]()
    for number, line in enumerate(text.splitlines(), 1):
        hit = _HEAD.match(line)
        if hit is None:
            continue
        name = hit[2].replace('"', "")
        if hit[1] == "[[":
            counts[name] = counts.get(name, -1) + 1
            name = f"{name}[{counts[name]}]"
        found.append((number, name))
    return found


def _keyed(text: str, heads: list[tuple[int, str]], hit: "re.Match[str]") -> int | None:
    table, index, key, under = hit[1], hit[2], hit[3], hit[4]
    name = f"{table}[{index}]" if index is not None else table
    if key is not None and under is not None:
        name, key = f"{name}.{key}", under
    elif key is not None and (deeper := _first(heads, f"{name}.{key}")) is not None:
        return deeper
    head = _first(heads, name)
    return head if key is None else _within(text, head, key) or head


def _first(heads: list[tuple[int, str]], name: str) -> int | None:
    return next((line for line, each in heads if each == name), None)


def _within(text: str, head: int | None, key: str) -> int | None:
    """The line of a key in the table whose head stands at `head`."""
    if head is None:
        return None
    for number, line in enumerate(text.splitlines()[head:], head + 1):
        if _HEAD.match(line):
            return None
        if re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line):
            return number
    return None


def _named(text: str, heads: list[tuple[int, str]], name: str, *, last: bool = False) -> int | None:
    """The table that is about this quantity or fact; a setting stands in [settings]."""
    lines = text.splitlines()
    found = []
    for head, table in heads:
        if not table.startswith(("register[", "flag[")):
            continue
        for key in _NAMES:
            at = _within(text, head, key)
            if at is not None and re.search(rf"=\s*[\"']{re.escape(name)}[\"']", lines[at - 1]):
                found.append(at)
    return (found[-1] if last else found[0]) if found else None


def _block_at(text: str, heads: list[tuple[int, str]], shown: str) -> int | None:
    raw: dict[str, Any] = tomllib.loads(text)
    blocks: list[dict[str, Any]] = raw.get("block", [])
    base = raw["model"].get("address_base", 0)  # a refusal names what goes over the wire
    starts = [str(each.get("di")) if "di" in each else f"{each.get('address', 0) - base:04X}" for each in blocks]
    wanted = shown.removesuffix("h")
    return next((_first(heads, f"block[{place}]") for place, start in enumerate(starts) if start == wanted), None)


def _longest(text: str, heads: list[tuple[int, str]], group: str) -> int | None:
    """The longest block of a group: the one that is refused for its length."""
    blocks: list[dict[str, Any]] = tomllib.loads(text).get("block", [])
    lengths = [
        (sum(each.get(key, 0) for key in ("count", "spare", "size")), -place)
        for place, each in enumerate(blocks)
        if each.get("group") == group
    ]
    return _first(heads, f"block[{-max(lengths)[1]}]") if lengths else None
