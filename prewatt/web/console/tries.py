"""*Try it* (试读): read everything one meter has to say, now; the frames as they went, the words, what the profile makes
of them. What an electrician looks at before he believes a meter, an address or a profile."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.meters import Profile, load
from prewatt.core.meters.jobs import Frame, Intent, Verdict
from prewatt.core.meters.model import DATA_KINDS, Register
from prewatt.core.meters.names import label
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import decode_value
from prewatt.core.refusals import Refused, message, texts
from prewatt.office.estate import links
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering import jobs
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import JobRow
from prewatt.office.reports import meters as report
from prewatt.office.reports.meters import MeterFilters, MeterRow
from prewatt.office.staff.roles import Act
from prewatt.web.console.lists import number
from prewatt.web.console.meters import meter_or_404
from prewatt.web.console.meters_words import mark_of, value_words
from prewatt.web.console.settings_fields import roles_of
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

READ_DATA = 0x11  # the function of DL/T 645 that reads; no question to a Modbus meter has it
TCP_HEAD = 7  # bytes before the function code: transaction, protocol, length, unit


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What the profile makes of one register. `raw` is empty where it was not read."""

    name: str
    place: str
    raw: str
    value: str
    unit: str
    kind: str
    scale: str
    mark: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Said:
    """One request and its answer: bytes as (head, body, tail); head and tail are addressing and check."""

    asked: str
    sent: tuple[str, str, str]
    received: tuple[str, str, str] | None
    good: bool


def _hexed(data: bytes) -> str:
    return data.hex(" ").upper()


def _words(data: bytes) -> str:
    return " ".join(data[at : at + 2].hex().upper() for at in range(0, len(data), 2))


def _parts(data: bytes, transport: str) -> tuple[str, str, str]:
    if transport in links.MODBUS_TCP:
        return _hexed(data[:TCP_HEAD]), _hexed(data[TCP_HEAD:]), ""
    if len(data) < 4:
        return "", _hexed(data), ""
    return _hexed(data[:1]), _hexed(data[1:-2]), _hexed(data[-2:])


def said(frames: Iterable[Frame], transport: str) -> list[Said]:
    """The conversation, in its order."""
    return [_said(each, transport) for each in frames]


def _said(each: Frame, transport: str) -> Said:
    """A question by what it asks for: a DL/T 645 identifier, whose frame has no unit in front and no CRC at its end, or
    registers."""
    data = each.function == READ_DATA
    asked = f"DI {each.address:08X}" if data else f"{each.function:02X}h {each.address:04X}h × {each.count}"
    sent, received = (
        ("", _hexed(told), "") if data else _parts(told, transport) for told in (each.sent, each.received)
    )
    return Said(asked=asked, sent=sent, received=received if each.received else None, good=bool(each.words))


def raw_of(frames: Iterable[Frame], register: Register, address: int, functions: frozenset[int]) -> bytes | None:
    """The words of a register from the last good answer that holds all of them."""
    found = None
    for each in frames:
        if register.kind in DATA_KINDS:
            start, end = (register.at, register.at + register.size) if each.address == address else (-1, -1)
        else:
            start, end = (address - each.address) * 2, (address - each.address + register.words) * 2
        if each.function in functions and start >= 0 and end <= len(each.words):
            found = each.words[start:end]
    return found


def opinions(profile: Profile, frames: Sequence[Frame], row: MeterRow, zone: ZoneInfo) -> list[Opinion]:
    """Every register of the profile, in the order of addresses, with what was read and what it is taken for."""
    made = []
    language = get_language() or "zh-hans"
    for quantity, register in sorted(profile.registers.items(), key=lambda item: item[1].address):
        address = register.address + profile.offset(row.index, shared=register.shared)
        functions = frozenset(block.function for block in profile.blocks.get(register.group, ()))
        raw = raw_of(frames, register, address, functions)
        value, unit = formats.DASH, ""
        if raw is not None:
            decoded = decode_value(register, raw)
            if decoded is None:
                value = _("the meter says: no such value")
            elif quantity is Quantity.STATUS:
                value = ", ".join(label(bit, language) for bit in sorted(profile.bits(decoded))) or _(
                    "nothing to report"
                )
            else:
                value, unit = value_words(quantity, decoded, row, profile, zone)
        mark, source = mark_of(register)
        made.append(
            Opinion(
                name=label(quantity, language, money=profile.wallet is not None),
                place=register.place(address - register.address), raw=_words(raw) if raw is not None else "",
                value=value, unit=unit, kind=register.form, scale=register.scaling,
                mark=mark, source=source,
            )
        )  # fmt: skip
    return made


def _row_of(ask: Ask, meter: Meter, circuit_id: int | None) -> MeterRow:
    """The circuit that is meant, else the first."""
    rows = report.meters(ask.operator.pk, ask.site.id, MeterFilters(), meter_id=meter.pk, most=64)
    found = next((each for each in rows if each.circuit_id == circuit_id), rows[0] if rows else None)
    if found is None:
        raise Http404
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.READ_NOW))
def page(ask: Ask, meter_id: int) -> HttpResponse:
    """What trying does; POST asks the meter and goes to what came of it."""
    meter = meter_or_404(ask, meter_id)
    wanted = number(ask.request.POST.get("circuit", "")) or number(ask.request.GET.get("circuit", ""))
    row = _row_of(ask, meter, wanted)
    if ask.request.method == "POST":
        with transaction.atomic():
            made = jobs.try_it(
                circuit_id=row.circuit_id, index=row.index, request_key=secrets.token_urlsafe(12), at=ask.at,
                actor=ask.actor,
            )  # fmt: skip
        return redirect(f"/console/tries/{made}")
    whole = JobRow.objects.filter(circuit_id=row.circuit_id, intent=Intent.TRY.value).exclude(payload__has_key="draft")
    last = whole.order_by("-pk").first()
    return ask.page(
        "ui/try.html",
        {"meter": meter, "row": row, "profiles": all_profiles(), **(result_of(ask, last, meter, row) if last else {})},
    )


@require_safe
@console(roles=roles_of(Act.READ_NOW))
def result(ask: Ask, job_id: int) -> HttpResponse:
    """What came of one try; the part of the page asks again until it is there."""
    job = JobRow.objects.filter(pk=job_id, intent=Intent.TRY.value, site_id=ask.site.id).first()
    circuit = visible_to(ask.operator, Circuit).filter(pk=job.circuit_id).first() if job else None
    if job is None or circuit is None:
        raise Http404
    meter = meter_or_404(ask, circuit.meter_id)
    row = _row_of(ask, meter, circuit.pk)
    context = {"meter": meter, "row": row, "profiles": all_profiles(), **result_of(ask, job, meter, row)}
    return ask.page("ui/parts/try_result.html" if ask.partial else "ui/try.html", context)


def result_of(ask: Ask, job: JobRow, meter: Meter, row: MeterRow) -> dict[str, object]:
    """What the template of a result reads."""
    profile = _spoken(job, row)
    frames = jobs.frames_of(job.frames or [])
    running = job.state in ("queued", "claimed")
    held = job.values.get(Quantity.METER_NUMBER.value)
    ours = row.number.lstrip("0") or "0"
    return {
        "job": job,
        "running": running,
        "at": formats.when(job.finished_at or job.created_at, ask.at, ask.zone),
        "verdict": "" if running else job.verdict if job.state == "done" else "dropped",
        "verdict_words": label(Verdict(job.verdict), get_language() or "zh-hans") if job.verdict else "",
        "code_words": message(job.code, get_language() or "zh-hans") if job.code in texts else "",
        "other_number": f"{held:012d}" if held not in (None, 0) and str(held) != ours else "",
        "conversation": said(frames, meter.line.transport if meter.line is not None else ""),
        "opinions": opinions(profile, frames, row, ask.zone) if profile and frames else [],
    }


def _spoken(job: JobRow, row: MeterRow) -> Profile | None:
    """The profile that a try went by: the meter's, or a draft that was tried on it."""
    draft = decode(job.payload).draft
    if not draft:
        return all_profiles().get(row.profile)
    try:
        return load(draft)
    except Refused:  # of an older release
        return None


urlpatterns = [
    path("meters/<int:meter_id>/try", page, name="meter-try"),
    path("tries/<int:job_id>", result, name="try"),
]
