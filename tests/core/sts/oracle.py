"""A second maker of tokens, as the standard words them: strings of bits, step by step. Slow, plain, and nothing of the
engine but the published tables of the two ciphers, so that an error would have to be made twice."""

from datetime import date
from fractions import Fraction
from math import ceil, floor

from prewatt.core.sts.tables import MISTY1_S7, MISTY1_S9, PRODUCTION, StaTables


def bits(value: int, width: int) -> str:
    """`value` as exactly `width` bits, highest first."""
    text = format(value, f"0{width}b")
    assert len(text) == width, (value, width)
    return text


def crc(covered: str, *, currency: bool) -> str:
    """Sixteen bits over whole bytes: each byte lowest bit first, the two bytes of the result swapped."""
    register = 0xFFFF
    for at in range(0, len(covered), 8):
        for bit in reversed(covered[at : at + 8]):
            odd = register & 1 != int(bit)
            register = register >> 1 ^ (0xA001 if odd else 0)
    if currency:
        for bit in "10000000":
            odd = register & 1 != int(bit)
            register = register >> 1 ^ (0xA001 if odd else 0)
    return bits(register % 256, 8) + bits(register // 256, 8)


def sta(key: int, block: int, tables: StaTables = PRODUCTION) -> int:
    """EA07, bit by bit."""
    key ^= (1 << 64) - 1
    for _ in range(12):
        key = key >> 1 | (key & 1) << 63
    for _ in range(16):
        nibbles = [block >> 4 * i & 15 for i in range(16)]
        picked = [tables.substitution_2 if key >> (4 * i + 3) & 1 else tables.substitution_1 for i in range(16)]
        mixed = sum(box[nibble] << 4 * i for i, (box, nibble) in enumerate(zip(picked, nibbles, strict=True)))
        block = sum((mixed >> bit & 1) << tables.permutation[bit] for bit in range(64))
        key = (key << 1 | key >> 63) & (1 << 64) - 1
    return block


def _fi(value: int, key: int) -> int:
    nine, seven = MISTY1_S9[value >> 7] ^ value & 0x7F, value & 0x7F
    seven = (MISTY1_S7[seven] ^ nine) & 0x7F
    nine, seven = nine ^ key & 0x1FF, seven ^ key >> 9
    return seven << 9 | MISTY1_S9[nine] ^ seven


def misty1(key: bytes, block: int) -> int:
    """EA11 in the words of RFC 2994: FL and FO over halves of 32 bits."""
    ek = [key[2 * i] << 8 | key[2 * i + 1] for i in range(8)]
    ek += [_fi(ek[i], ek[(i + 1) % 8]) for i in range(8)]

    def fo(value: int, k: int) -> int:
        t0, t1 = value >> 16, value & 0xFFFF
        t0 = _fi(t0 ^ ek[k], ek[(k + 5) % 8 + 8]) ^ t1
        t1 = _fi(t1 ^ ek[(k + 2) % 8], ek[(k + 1) % 8 + 8]) ^ t0
        t0 = _fi(t0 ^ ek[(k + 7) % 8], ek[(k + 3) % 8 + 8]) ^ t1
        return (t1 ^ ek[(k + 4) % 8]) << 16 | t0

    def fl(value: int, k: int) -> int:
        d0, d1 = value >> 16, value & 0xFFFF
        half = k // 2
        one, other = (ek[half], ek[(half + 6) % 8 + 8]) if k % 2 == 0 else (ek[(half + 2) % 8 + 8], ek[(half + 4) % 8])
        d1 ^= d0 & one
        return (d0 ^ (d1 | other)) << 16 | d1

    left, right = block >> 32, block & 0xFFFFFFFF
    for k in range(0, 8, 2):
        left, right = fl(left, k), fl(right, k + 1)
        right ^= fo(left, k)
        left ^= fo(right, k + 1)
    left, right = fl(left, 8), fl(right, 9)
    return right << 32 | left


def digits(token_class: int, clear48: str, key: str | None) -> str:
    """48 clear bits -> CRC, cipher by the length of the key in hex, class put in, twenty digits."""
    assert len(clear48) == 48
    covered = bits(token_class, 8) + clear48
    currency = token_class == 0 and clear48[:4] in ("0100", "0101", "0110", "0111")
    block = clear48 + crc(covered, currency=currency)
    if key is not None:
        value = int(block, 2)
        block = bits(sta(int(key, 16), value) if len(key) == 16 else misty1(bytes.fromhex(key), value), 64)
    # bits 28 and 27, counted from 0 at the right, go to the front; the class takes their place
    return str(int(block[35:37] + block[:35] + bits(token_class, 2) + block[37:], 2)).zfill(20)


def steps(exponents: int, value: Fraction, *, up: bool) -> tuple[int, int, int]:
    """(exponent, mantissa, what they stand for) nearest to `value` on the wanted side, over all exponents."""
    found = []
    for e in range(exponents):
        lowest = sum(2**14 * 10 ** (n - 1) for n in range(1, e + 1))
        m = (value - lowest) / 10**e
        whole = min(max(ceil(m) if up else floor(m), 0), 2**14 - 1)
        stands = lowest + whole * 10**e
        if stands >= value if up else stands <= value:
            found.append((e, whole, stands))
    return min(found, key=lambda each: abs(each[2] - value))


def minute(base: int, day: date, hour: int, minutes: int) -> int:
    """The TID of an ordinary token: minutes since the base date; the second minute of a day gives way to the third."""
    count = (day.toordinal() - date(base, 1, 1).toordinal()) * 24 * 60 + hour * 60 + minutes
    return count + 1 if (hour, minutes) == (0, 1) else count


def key_change(new: str, *, ken: int, krn: int, kt: int, ti: int, sgc: int, rollover: int, three: int) -> list[str]:
    """The clear bits of a set: two tokens, three when asked, four for a key of 16 bytes."""
    parts = [bits(int(new[at : at + 8], 16), 32) for at in range(0, len(new), 8)]
    k, s = bits(ken, 8), bits(sgc, 24)
    first = "0011" + k[:4] + bits(krn, 4) + bits(rollover, 1) + bits(three, 1) + bits(kt, 2) + parts[0]
    second = "0100" + k[4:] + bits(ti, 8) + parts[-1]
    if len(parts) == 4:
        return [first, second, "1000" + s[12:] + parts[1], "1001" + s[:12] + parts[2]]
    return [first, second, "1000" + s + "0" * 20] if three else [first, second]
