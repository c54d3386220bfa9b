"""Ids in as few bytes as they need, where many of them are kept."""

GUID_BYTES, GUID_LENGTH = 16, 36


def pack_id(text: str) -> bytes | str:
    """The 16 bytes of a GUID, printed as Microsoft prints it; any other id as it is."""
    digits = text.replace("-", "")
    if len(text) != GUID_LENGTH or len(digits) != 2 * GUID_BYTES or text[8:24:5] != "----":
        return text
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return text
    # Capital letters would come back as small ones, and a blank would be lost.
    return packed if packed.hex() == digits else text


def unpack_id(packed: bytes | str) -> str:
    """The id that was packed."""
    if isinstance(packed, str):
        return packed
    digits = packed.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
