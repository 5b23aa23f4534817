"""What a reader is told of models and links: files name them in English alone, or by a code."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from prewatt.core.meters import Profile

CONTEXT: Final = "model"  # of the shipped names and notes in the catalogue; an own version keeps its author's words

TRANSPORTS: Final[dict[str, str | Promise]] = {
    "rtu-over-tcp": _("TCP, transparent"),
    "modbus-tcp": "Modbus TCP",
    "rtu-over-udp": _("UDP, transparent"),
    "rtu-over-tls": _("TLS, transparent"),
    "modbus-tls": "Modbus TCP + TLS",
    "serial-8n1": _("serial port, 8N1"),
    "serial-8e1": _("serial port, 8E1"),
    "serial-8o1": _("serial port, 8O1"),
    "dial-in": _("dials in"),
    "acrel-gateway": _("Acrel gateway, dials in"),
    "mqtt": "MQTT",
}


def said(text: str) -> str:
    """A maker, a name or a note of a shipped profile in the reader's language."""
    return pgettext(CONTEXT, text) if text else ""


def model_name(profile: Profile) -> str:
    """`Acrel DTSY1352`; a name that begins with its maker says it once."""
    name = said(profile.name)
    return name if profile.name.startswith(f"{profile.maker} ") else f"{said(profile.maker)} {name}"


def model_option(profile: Profile) -> str:
    """A model as it is chosen from a list; an own version says which it is."""
    name = model_name(profile)
    return f"{name} · {profile.code}" if "@" in profile.code else name


def transport(code: str) -> str:
    """A link in a few words, for a table; `transport_word` of the lines has the long ones."""
    return str(TRANSPORTS.get(code, code))
