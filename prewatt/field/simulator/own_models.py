"""A site's own meter models (自建表型) in a played site: profile texts that lie beside the site file.

    "models": ["our-meter.toml", "models"]     # files, or directories of such files

A meter names the model by its `code`; a file called `code@2.toml` is version 2 of it and is named so. The texts are
held to what the console holds them to, and each model is played once before the site is: what its meter shows in every
register must be what the head-end's driver reads there.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Final

from prewatt.core.meters import Profile
from prewatt.core.meters.drivers import Finished, MeterAddress, Send, converse
from prewatt.core.meters.drivers.looks import READ_GROUPS
from prewatt.core.meters.jobs import Job, Outcome, Verdict
from prewatt.core.meters.model import DATA_KINDS, Protocol, Register
from prewatt.core.meters.own import OwnVersion, check_own, line_of, load_own, parted
from prewatt.core.meters.profile import MAX_TEXT
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import decode_value, encode_floor
from prewatt.core.refusals import Refused, message
from prewatt.core.wire import dlt645
from prewatt.core.wire.modbus import RtuServerDecoder, encode_rtu_reply
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.site import CircuitSite, MeterSite, Opening, Settings

MODEL_LIMIT: Final = 500
STEP_LIMIT: Final = 500  # of one conversation
UNIT: Final = 1
NUMBER: Final = "000020250007"  # two words can hold it
AT_MS: Final = 1_772_424_000_000
UNHELD: Final = frozenset({Quantity.CLOCK, Quantity.STATUS})  # goes on between two looks; told in core's own bits
OPENING: Final = Opening(
    balance_wh=150_000, purchase_count=3, purchased_total_wh=600_000, energy_wh=4_321_000, sharp_wh=21_000,
    peak_wh=1_200_000, valley_wh=900_000,
)  # fmt: skip
SETTINGS: Final = Settings(
    alarm_level_1_wh=50_000, alarm_level_2_wh=20_000, hoarding_limit_wh=900_000, load_limit_w=9_000
)


def own_models(named: Sequence[str], files: Path) -> dict[str, Profile]:
    """Profiles by the names that meters say; paths from the directory `files`. Raises `SiteError`."""
    found: dict[str, Profile] = {}
    for path in _texts(named, files):
        profile = _profile(path)
        if profile.code in found:
            raise SiteError("duplicate", str(path), f"model {profile.code} is there twice")
        if len(found) >= MODEL_LIMIT:
            raise SiteError("too_large", str(path), f"more than {MODEL_LIMIT} models")
        found[profile.code] = profile
    return found


def _texts(named: Sequence[str], files: Path) -> Iterator[Path]:
    for each in named:
        path = files / each
        if path.is_dir():
            yield from sorted(path.glob("*.toml"))
        else:
            yield path


def _profile(path: Path) -> Profile:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_TEXT * 4 + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SiteError("unreadable", str(path), str(error)) from error
    try:
        profile = check_own(text)
    except Refused as refused:
        line = line_of(text, refused)
        where = str(path) if line is None else f"{path}:{line}"
        raise SiteError("bad_model", where, f"{refused.code}: {message(refused.code, 'en', refused.params)}") from None
    version = parted(path.stem)
    if version is not None:
        if version[0] != profile.code:
            raise SiteError("bad_model", str(path), f"is a version of {version[0]} and says {profile.code}")
        profile = load_own(OwnVersion(code=path.stem, text=text))
    check_reads_back(profile, str(path))
    return profile


# --- each register reads back ------------------------------------------------------------------


def check_reads_back(profile: Profile, where: str) -> None:
    """Play one meter of the model and read it with the head-end's driver. Raises `SiteError` bad_model that names the
    first register whose value does not come back."""
    if not profile.wired:
        return
    for index in sorted({1, profile.circuits}):
        meter = _played(profile)
        read: dict[Quantity, int] = {}
        for intent in READ_GROUPS:
            outcome = _asked(meter, Job(intent=intent, circuit_index=index))
            if outcome.verdict is not Verdict.DONE:
                raise SiteError("bad_model", where, f"{intent.value} of circuit {index} ends in {outcome.code}")
            read |= outcome.values
        held = meter.values(index, AT_MS)
        for quantity, register in profile.registers.items():
            if quantity in UNHELD or quantity not in held:
                continue
            shown = _shown(register, held[quantity])
            if shown is not None and read.get(quantity) != shown:
                told = f"circuit {index} holds {shown} in {quantity.value}, and {read.get(quantity)} is read"
                raise SiteError("bad_model", where, told)


def _played(profile: Profile) -> Meter:
    circuits = tuple(
        CircuitSite(index=index, opening=OPENING, settings=SETTINGS) for index in range(1, profile.circuits + 1)
    )
    site = MeterSite(number=NUMBER, profile=profile.code, unit=UNIT, line="", circuits=circuits)
    kind = DataMeter if profile.protocol is Protocol.DLT645 else Meter
    return kind(site, profile, UTC, at_ms=AT_MS)


def _shown(register: Register, value: int) -> int | None:
    """What a display of this width and step makes of a value; None: more than it can show, so it shows nothing."""
    if register.kind in DATA_KINDS:
        step = register.factor.numerator // register.factor.denominator or 1
        return value // step * step
    try:
        return decode_value(register, encode_floor(register, value))
    except Refused:
        return None


def _asked(meter: Meter, job: Job) -> Outcome:
    """One conversation with a meter that answers at once."""
    talk = converse(meter.profile, MeterAddress(unit=UNIT, number=NUMBER), job, transport="rtu")
    for _ in range(STEP_LIMIT):
        step = talk.next()
        if isinstance(step, Finished):
            return step.outcome
        data = _answer(meter, step.data) if isinstance(step, Send) else b""
        if data:
            talk.receive(data)
        else:
            talk.timed_out()
    raise AssertionError("a conversation ends")


def _answer(meter: Meter, data: bytes) -> bytes:
    if isinstance(meter, DataMeter):
        replies = [meter.handle_frame(each, AT_MS).reply for each in dlt645.Decoder().receive(data)]
        return b"".join(dlt645.encode(each) for each in replies if each is not None)
    asked = RtuServerDecoder().receive(data)
    return b"".join(encode_rtu_reply(unit, meter.handle(request, AT_MS).reply) for unit, request in asked)
