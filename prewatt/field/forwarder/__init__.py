"""Sealed lines: a forwarder beside the gateway and one in the office, with ciphered records between them."""

from prewatt.field.forwarder.forwarder import Forwarder, Seal
from prewatt.field.forwarder.sealing import KEY_BYTES, MOST_PLAIN, SealBroken, Sealed, Suite

__all__ = ["KEY_BYTES", "MOST_PLAIN", "Forwarder", "Seal", "SealBroken", "Sealed", "Suite"]
