"""Ids that are a hash of what they name: equal content, equal id, in any process."""

from hashlib import blake2b


def content_id(*parts: bytes) -> int:
    """A positive 63-bit id of the parts' content (fits SQLite's INTEGER)."""
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "big") >> 1
