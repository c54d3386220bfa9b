"""Ids in as few bytes as they need, where many of them are kept."""

from collections.abc import Sequence

GUID_BYTES, GUID_LENGTH = 16, 36
HYPHENS = (8, 13, 18, 23)
"""Where a GUID has them."""
DIGITS = tuple(place for place in range(GUID_LENGTH) if place not in HYPHENS)


class PackedIdPairs:
    """Pairs of ids by their number: in 32 bytes, if both are GUIDs as Microsoft prints them."""

    def __init__(self) -> None:
        self.packed = bytearray()
        self.others: dict[int, tuple[str, str]] = {}
        """Pairs that are kept as they are."""

    def __len__(self) -> int:
        return len(self.packed) // (2 * GUID_BYTES)

    def extend(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Add pairs behind all others: together, or else one by one."""
        if (packed := pack_guids([text for pair in pairs for text in pair])) is not None:
            self.packed += packed
            return
        for pair in pairs:
            if (one := pack_guids(pair)) is None:
                self.others[len(self)] = pair
            self.packed += one or bytes(2 * GUID_BYTES)

    def read_each(self, numbers: Sequence[int]) -> list[tuple[str, str]]:
        """The pairs with some numbers, in their order."""
        size = 2 * GUID_BYTES
        packed = b"".join([self.packed[size * number : size * (number + 1)] for number in numbers])
        guids = iter(unpack_guids(packed))
        pairs = list(zip(guids, guids, strict=True))
        if not self.others:
            return pairs
        return [self.others.get(number, pair) for number, pair in zip(numbers, pairs, strict=True)]


def pack_guids(texts: Sequence[str]) -> bytes | None:
    """GUIDs in sixteen bytes each; None where any text would not come back as it is."""
    joined = "".join(texts)
    if any(len(text) != GUID_LENGTH for text in texts):
        return None
    if any(joined[at::GUID_LENGTH] != "-" * len(texts) for at in HYPHENS):
        return None
    digits = joined.replace("-", "")
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return None
    # Capital letters would come back as small ones, and a blank would be lost. Every GUID has its
    # hyphens, so that another one leaves too few digits.
    is_whole = len(packed) == GUID_BYTES * len(texts) and packed.hex() == digits
    return packed if is_whole else None


def unpack_guids(packed: bytes) -> list[str]:
    """GUIDs from sixteen bytes each: every digit of all of them together, then each by itself."""
    digits = packed.hex().encode()
    joined = bytearray(b"-") * (len(packed) // GUID_BYTES * GUID_LENGTH)
    for number, place in enumerate(DIGITS):
        joined[place::GUID_LENGTH] = digits[number :: 2 * GUID_BYTES]
    text = joined.decode()
    return [text[at : at + GUID_LENGTH] for at in range(0, len(text), GUID_LENGTH)]
