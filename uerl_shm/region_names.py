"""Names of the regions of Epic's SharedMemoryMedia: GUIDs that follow from a name and a number.

The hash is CityHash64, version 1.1, as Google published it (G. Pike, J. Alakuijala: "Introducing
CityHash", 2011; file city.cc), folded to 32 bits as ``low + 23 * high``.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_K_MUL = 0x9DDFEA08EB382D69


def media_region_name(unique_name: str, buffer: int) -> str:
    """Return the name of the region that describes one buffer of a sender.

    Args:
        unique_name: As given to the sender's media output; spaces in it do not count.
        buffer: Number of the buffer, from 0.

    Returns:
        A GUID in braces, in upper case, 38 characters.
    """
    hashed = city_hash_64(unique_name.replace(" ", "").encode("utf-16-le"))
    folded = (hashed + 23 * (hashed >> 32)) & 0xFFFFFFFF
    return guid_text(0xDA90FCAF, 0x7034A2AA, folded, 0xEB12036B + buffer)


def guid_text(a: int, b: int, c: int, d: int) -> str:
    """Return a GUID of four 32-bit words as Unreal writes it, with hyphens in braces."""
    return f"{{{a:08X}-{b >> 16:04X}-{b & 0xFFFF:04X}-{c >> 16:04X}-{c & 0xFFFF:04X}{d:08X}}}"


def city_hash_64(text: bytes) -> int:
    """Return CityHash64 (version 1.1) of some bytes, below 2**64."""
    length = len(text)
    if length <= 16:
        return _up_to_16(text)
    if length <= 32:
        return _up_to_32(text)
    if length <= 64:
        return _up_to_64(text)
    return _longer(text)


def _word(text: bytes, at: int, num_bytes: int = 8) -> int:
    """A little-endian word; `at` below 0 counts from the end."""
    at += len(text) if at < 0 else 0
    return int.from_bytes(text[at : at + num_bytes], "little")


def _rotated(value: int, bits: int) -> int:
    value &= _MASK
    return (value >> bits | value << (64 - bits)) & _MASK


def _swapped(value: int) -> int:
    return int.from_bytes((value & _MASK).to_bytes(8, "little"), "big")


def _mixed(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _of_two(u: int, v: int, factor: int = _K_MUL) -> int:
    u, v = u & _MASK, v & _MASK
    a = _mixed((u ^ v) * factor)
    return _mixed((v ^ a) * factor) * factor & _MASK


def _up_to_16(text: bytes) -> int:
    length = len(text)
    factor = _K2 + length * 2
    if length >= 8:
        a, b = _word(text, 0) + _K2, _word(text, -8)
        return _of_two(_rotated(b, 37) * factor + a, (_rotated(a, 25) + b) * factor, factor)
    if length >= 4:
        return _of_two(length + (_word(text, 0, 4) << 3), _word(text, -4, 4), factor)
    if length > 0:
        y = text[0] + (text[length >> 1] << 8)
        z = length + (text[-1] << 2)
        return _mixed(y * _K2 ^ z * _K0) * _K2 & _MASK
    return _K2


def _up_to_32(text: bytes) -> int:
    factor = _K2 + len(text) * 2
    a, b = _word(text, 0) * _K1, _word(text, 8)
    c, d = _word(text, -8) * factor, _word(text, -16) * _K2
    u = _rotated(a + b, 43) + _rotated(c, 30) + d
    return _of_two(u, a + _rotated(b + _K2, 18) + c, factor)


def _up_to_64(text: bytes) -> int:
    factor = _K2 + len(text) * 2
    a, b, c, d = _word(text, 0) * _K2, _word(text, 8), _word(text, -24), _word(text, -32)
    e, f, g, h = _word(text, 16) * _K2, _word(text, 24) * 9, _word(text, -8), _word(text, -16)
    h *= factor
    u = _rotated(a + g, 43) + (_rotated(b, 30) + c) * 9
    v = ((a + g & _MASK) ^ d) + f + 1
    w = _swapped((u + v) * factor) + h
    x = _rotated(e + f, 42) + c
    y = (_swapped((v + w) * factor) + g) * factor
    z = e + f + c
    a = _swapped((x + z) * factor + y) + b
    return _mixed((z + a) * factor + d + h) * factor + x & _MASK


def _of_32_bytes(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    first, second, third, fourth = (_word(text, at + 8 * i) for i in range(4))
    a += first
    b = _rotated(b + a + fourth, 21)
    c = a
    a += second + third
    return (a + fourth) & _MASK, (b + _rotated(a, 44) + c) & _MASK


def _longer(text: bytes) -> int:
    length = len(text)
    x = _word(text, -40)
    y = _word(text, -16) + _word(text, -56)
    z = _of_two(_word(text, -48) + length, _word(text, -24))
    v = _of_32_bytes(text, length - 64, length, z)
    w = _of_32_bytes(text, length - 32, y + _K1, x)
    x = (x * _K1 + _word(text, 0)) & _MASK
    for at in range(0, (length - 1) // 64 * 64, 64):
        x = _rotated(x + y + v[0] + _word(text, at + 8), 37) * _K1 & _MASK
        y = _rotated(y + v[1] + _word(text, at + 48), 42) * _K1
        x ^= w[1]
        y += v[0] + _word(text, at + 40)
        z = _rotated(z + w[0], 33) * _K1 & _MASK
        v = _of_32_bytes(text, at, v[1] * _K1, x + w[0])
        w = _of_32_bytes(text, at + 32, z + w[1], y + _word(text, at + 16))
        x, z = z, x
    u = _of_two(v[0], w[0]) + _mixed(y) * _K1 + z
    return _of_two(u, _of_two(v[1], w[1]) + x)
