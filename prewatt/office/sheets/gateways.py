"""Gateways with their lines, as rows of a file: which line a row means, and whether the gateway can have it."""

from collections.abc import Mapping
from dataclasses import replace

from prewatt.office.estate.links import SERIAL, one_port
from prewatt.office.estate.models import Gateway
from prewatt.office.estate.wires import CALLING, DIAL_IN, MQTT, transport_of
from prewatt.office.sheets.rows import GatewayRow, MeterRow
from prewatt.office.sheets.standing import LINE, Standing

Wrong = tuple[str, dict[str, object]]  # code and parameters of a refusal


class Lines:
    """The lines of all gateways, those that stand and those that rows of the file make; holds codes of gateways."""

    def __init__(self, standing: Standing) -> None:
        self._there = standing
        self._lines: dict[str, dict[str, GatewayRow]] = {code: {} for code in standing.gateway_rows}
        for (code, line), row in standing.gateways.items():
            self._lines[code][line] = row
        self._heads: dict[str, tuple[int, GatewayRow]] = {}  # the first row of each gateway, with its number

    def __contains__(self, code: object) -> bool:
        return code in self._lines

    def meant(self, value: GatewayRow) -> GatewayRow:
        """The row with its line, and with what the first row of its gateway said and it does not."""
        lines = self._lines.get(value.code, {})
        value = replace(value, line=value.line or (LINE if LINE in lines or not lines else next(iter(lines))))
        if value.code in self._heads:
            _, head = self._heads[value.code]
            value = replace(
                value, name=value.name or head.name, station=value.station or head.station,
                secret=value.secret or head.secret,
            )  # fmt: skip
        return value

    def take(self, number: int, value: GatewayRow) -> None:
        """A row that is not refused."""
        self._heads.setdefault(value.code, (number, value))
        self._lines.setdefault(value.code, {}).setdefault(value.line, value)

    def wrong(self, value: GatewayRow) -> Wrong | None:
        """Why the gateway cannot have this line; nothing is said here of one that stands."""
        if value.key in self._there.gateways:
            return None
        gateway = self._there.gateway_rows.get(value.code)
        if gateway is not None:
            if columns := _unlike(value, gateway):
                return "exists_with_other_values", {"what": value.code, "columns": ", ".join(columns)}
        elif value.code in self._heads:
            first, head = self._heads[value.code]
            columns = [each for each in ("name", "host", "station") if getattr(value, each) != getattr(head, each)]
            columns += ["key"] if value.secret != head.secret else []
            columns += ["transport"] if _calls(value.transport) != _calls(head.transport) else []
            if columns:
                return "gateway_rows_differ", {"first": first, "columns": ", ".join(columns)}
        others = self._lines.get(value.code, {})
        if others and value.transport in (DIAL_IN, MQTT):
            return "dial_in_has_one_line", {}
        if others and value.transport in SERIAL:
            return "serial_has_one_line", {}
        for line, other in others.items():
            if one_port(value.transport, value.port, other.transport, other.port):
                return "line_port_taken", {"port": value.port, "gateway": value.code, "line": line}
        return None

    def wrong_with(self, value: MeterRow) -> Wrong | None:
        """Why a meter cannot stand on the line that it names, or on none where its gateway has several."""
        lines = self._lines.get(value.gateway, {})
        if len(lines) > 1 and not value.line:
            return "gateway_with_lines", {"text": value.gateway, "lines": ", ".join(lines)}
        if value.line not in lines and (value.line or not lines):
            return "line_not_found", {"gateway": value.gateway, "line": value.line or LINE}
        return None

    def under(self, value: MeterRow) -> MeterRow:
        """The same meter with the line that it means, where that is known."""
        lines = self._lines.get(value.gateway, {})
        return replace(value, line=next(iter(lines))) if len(lines) == 1 and not value.line else value

    def row_of(self, value: MeterRow) -> GatewayRow | None:
        """The line that such a meter names."""
        found: Mapping[str, GatewayRow] = self._lines.get(value.gateway, {})
        return found.get(value.line)


def _calls(transport: str) -> str:
    """The way of a gateway that comes by itself, which all its lines share."""
    return transport if transport in CALLING else ""


def _unlike(value: GatewayRow, gateway: Gateway) -> list[str]:
    """The columns in which a further line says something else of a gateway that stands."""
    said = {
        "name": (value.name, gateway.name), "host": (value.host, gateway.host or gateway.identity),
        "station": (value.station, gateway.station.code if gateway.station is not None else ""),
        "key": (value.secret, gateway.secret),
    }  # fmt: skip
    columns = [column for column, (told, stands) in said.items() if told and told != stands]
    return columns + (["transport"] if _calls(value.transport) != transport_of(gateway) else [])
