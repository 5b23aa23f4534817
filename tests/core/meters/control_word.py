"""A model of two circuits whose bytes are swapped, and whose relay is bits of a word that holds other things."""

import re
from typing import Final

from prewatt.core.meters import Profile, load

OURS: Final = """
[model]
code = "ours"
maker = "Toys"
name = "Control word"
phases = 1
circuits = 2
stride = 0x40
protocol = "modbus"
baud_default = 9600
byte_order = "low_first"
custody = ["server"]
switch = "internal"
resolution = 1
read_function = 3
max_block = 16
quiet_ms = 0
turnaround_ms = 100

[[block]]
group = "identity"
address = 0x1000
count = 3
shared = true

[[block]]
group = "status"
address = 0x20
count = 2
spare = 1

[[block]]
group = "registers"
address = 0x00
count = 6

[[block]]
group = "settings"
address = 0x30
count = 4
spare = 1

[[register]]
quantity = "meter_number"
group = "identity"
address = 0x1000
type = "bcd48"
shared = true
assumed = true

[[register]]
quantity = "power_active"
group = "status"
address = 0x20
type = "i16"
unit = "W"
assumed = true

# one word: 3 and 4 are the command, 0 is the contact, 1 open, 8 something else, the rest nobody's
[[register]]
quantity = "force_control"
group = "status"
address = 0x21
type = "u16"
bit = 3
assumed = true

[[register]]
quantity = "forced_state"
group = "status"
address = 0x21
type = "u16"
bit = 4
assumed = true

[[register]]
quantity = "relay"
group = "status"
address = 0x21
type = "u16"
not_bit = 0
assumed = true

[[register]]
quantity = "status"
group = "status"
address = 0x21
type = "u16"
mask = 0x0A00
assumed = true

[[register]]
quantity = "energy_import_total"
group = "registers"
address = 0x00
type = "u32le"
scale = "0.01"
unit = "kWh"
offset = "-2.5"
assumed = true

[[register]]
quantity = "voltage_a"
group = "registers"
address = 0x02
type = "u16"
scale = "0.1"
unit = "V"
offset = "100"
byte_order = "high_first"
assumed = true

[[register]]
quantity = "frequency"
group = "registers"
address = 0x03
type = "u16"
mask = 0x0FFF
scale = "0.1"
unit = "Hz"
assumed = true

[[register]]
quantity = "pay_mode"
group = "settings"
address = 0x30
type = "u16"
bit = 1
assumed = true

[[register]]
quantity = "load_limit"
group = "settings"
address = 0x30
type = "u16"
mask = 0xFF00
unit = "kW"
assumed = true

[[register]]
quantity = "hoarding_limit"
group = "settings"
address = 0x31
type = "u16"
unit = "kWh"
offset = "-100"
assumed = true

[settings]
writable = ["pay_mode", "load_limit", "hoarding_limit"]

[relay]
address = 0x21
assumed = true

[relay.words]
keep_on = [1, 0]
automatic = [0, 0]
trip = [1, 1]

[status_bits]
warning_trip = 0
overload_trip = 2
"""
MODEL: Final[Profile] = load(OURS)

_ADDRESSES: Final = re.compile(r"^(address|zones|swap|rates|echo|result|credit|tables|live)( = )(.*)$", re.MULTILINE)
_NUMBER: Final = re.compile(r"0x[0-9A-Fa-f]+|\b\d+\b")


def from_one(text: str) -> str:
    """A profile as a maker prints it whose first register is 1."""
    shifted = _ADDRESSES.sub(
        lambda line: line[1] + line[2] + _NUMBER.sub(lambda each: str(int(each[0], 0) + 1), line[3].partition("#")[0]),
        text,
    )
    return shifted.replace('protocol = "modbus"', 'protocol = "modbus"\naddress_base = 1', 1)
