"""Ids in as few bytes as they need, where many of them are kept."""

from collections.abc import Sequence

GUID_BYTES, GUID_LENGTH = 16, 36
HYPHENS = (8, 13, 18, 23)
"""Where a GUID has them."""


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

    def __getitem__(self, number: int) -> tuple[str, str]:
        if self.others and number in self.others:
            return self.others[number]
        start = 2 * GUID_BYTES * number
        x = self.packed[start : start + 2 * GUID_BYTES].hex()
        return (
            f"{x[:8]}-{x[8:12]}-{x[12:16]}-{x[16:20]}-{x[20:32]}",
            f"{x[32:40]}-{x[40:44]}-{x[44:48]}-{x[48:52]}-{x[52:]}",
        )


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
