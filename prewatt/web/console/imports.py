"""Take over an estate from a spreadsheet: choose a file, see what every row would do, then do it, all or nothing.

Nothing of a checked file is kept here: who applies sends the same file again, and it is judged again.
"""

import tempfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Final

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Site
from prewatt.office.estate.scope import wholly_held
from prewatt.office.sheets import reading, taking_over
from prewatt.office.sheets.shape import MAX_BYTES, MAX_UNPACKED_BYTES, SHEETS, Content, Result
from prewatt.office.sheets.template import installed_xlsx, template_xlsx
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.lists import XLSX
from prewatt.web.console.settings import settings_page
from prewatt.web.console.settings_fields import attempt, roles_of
from prewatt.web.console.views_base import Ask, console

REFUSALS_SHOWN: Final = 500  # a file with more faults is mended from the first ones on
ROLES: Final = roles_of(Act.ESTATE) & roles_of(Act.PLANS)
NAMES: Final = {
    "buildings": pgettext_lazy("sheet", "Buildings"),
    "rooms": pgettext_lazy("sheet", "Rooms"),
    "stations": pgettext_lazy("sheet", "Stations"),
    "gateways": pgettext_lazy("sheet", "Gateways"),
    "meters": pgettext_lazy("sheet", "Meters"),
    "sts": pgettext_lazy("sheet", "STS meters"),
    "circuits": pgettext_lazy("sheet", "Circuits"),
    "plans": pgettext_lazy("sheet", "Plans"),
    "customers": pgettext_lazy("sheet", "Customers"),
    "contracts": pgettext_lazy("sheet", "Contracts"),
    "supply_points": pgettext_lazy("sheet", "Supply points"),
}


def content_of(upload: "UploadedFile[bytes] | None") -> Content:
    """Rows of an uploaded workbook, or of a .zip with one .csv for each sheet.

    Raises Refused `choice_needed`, `file_too_large`, `file_unreadable`, `file_empty`.
    """
    if upload is None or not upload.name:
        raise Refused("choice_needed")
    if (upload.size or 0) > MAX_BYTES:
        raise Refused("file_too_large", most=MAX_BYTES >> 20)
    data = upload.read()
    if upload.name.lower().endswith(".zip"):
        return _content_of_zip(data, upload.name)
    return reading.read_workbook(data, name=upload.name)


def _content_of_zip(data: bytes, name: str) -> Content:
    """Only parts that are named like a sheet are unpacked, under that name."""
    with tempfile.TemporaryDirectory(prefix="prewatt-import-") as held:
        folder = Path(held)
        try:
            with zipfile.ZipFile(BytesIO(data)) as packed:
                parts = {
                    Path(part.filename).name.lower(): part for part in packed.infolist()
                    if Path(part.filename).stem.lower() in SHEETS and part.filename.lower().endswith(".csv")
                }  # fmt: skip
                if sum(part.file_size for part in parts.values()) > MAX_UNPACKED_BYTES:
                    raise Refused("file_too_large", most=MAX_UNPACKED_BYTES >> 20)
                for plain, part in parts.items():
                    (folder / plain).write_bytes(packed.read(part))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise Refused("file_unreadable", path=name, detail=type(error).__name__) from None
        return reading.read_path(folder)


def _may_write(ask: Ask) -> bool:
    """The whole site is needed: rows name its buildings, plans and customers."""
    return wholly_held(ask.operator, Site).filter(pk=ask.site.id).exists()


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=ROLES)
def page(ask: Ask) -> HttpResponse:
    """The file, its dry run, and its taking over."""
    results: list[Result] = []
    refused: dict[str, str] | None = None
    post = ask.request.POST
    applying = post.get("what") == "apply"
    if ask.request.method == "POST":
        refused = attempt(lambda: results.append(_judge(ask, applying=applying)))
    result = results[0] if results else None
    language = get_language() or "zh-hans"
    rows = []
    if result is not None:
        refusals: dict[str, int] = {}
        for each in result.refusals:
            refusals[each.sheet] = refusals.get(each.sheet, 0) + 1
        rows = [
            (NAMES.get(sheet, sheet), _planned(result, sheet), result.unchanged[sheet], refusals.get(sheet, 0))
            for sheet in result.effects
        ]
    context: dict[str, object] = {
        "refused": refused,
        "result": result,
        "rows": rows,
        "faults": [
            (NAMES.get(each.sheet, each.sheet), each.sheet, each.row, each.message(language), each.code)
            for each in (result.refusals[:REFUSALS_SHOWN] if result else ())
        ],
        "more": max(0, len(result.refusals) - REFUSALS_SHOWN) if result else 0,
        "applied": result is not None and applying and not result.refused,
        "new": sum(result.created.values()) if result else 0,
        "sheets": [(NAMES[sheet], ", ".join(columns)) for sheet, columns in SHEETS.items()],
        "limit": MAX_BYTES >> 20,
    }
    status = 422 if refused or (result is not None and result.refused) else 200
    return settings_page(ask, "ui/settings_import.html", context, status=status)


def _planned(result: Result, sheet: str) -> int:
    """Rows that would be, or were, created; also where another row is refused and therefore nothing is."""
    return sum(effect.value == "created" for _row, effect in result.effects[sheet])


def _judge(ask: Ask, *, applying: bool) -> Result:
    """Dry run, or the real one. Raises Refused `not_permitted` where he does not hold the whole site."""
    if not _may_write(ask) or not (may(ask.operator.role, Act.ESTATE) and may(ask.operator.role, Act.PLANS)):
        raise Refused("not_permitted", role=ask.operator.role, act=Act.ESTATE.value)
    content = content_of(ask.request.FILES.get("file"))
    site = Site.objects.select_related("company").get(pk=ask.site.id)
    if applying:
        return taking_over.run(content, site=site, actor=of_operator(ask.operator), at=ask.at)
    return taking_over.check(content, site=site, at=ask.at)


@require_safe
@console(roles=ROLES)
def template(ask: Ask) -> HttpResponse:
    """The workbook to fill in."""
    answer = HttpResponse(template_xlsx(get_language() or "zh-hans"), content_type=XLSX)
    answer["Content-Disposition"] = f'attachment; filename="{_("prewatt-template")}.xlsx"'
    return answer


@require_safe
@console(roles=ROLES)
def installed(ask: Ask) -> HttpResponse:
    """What is installed in the site, as these sheets: to be looked at, added to and taken over again."""
    if not _may_write(ask):
        raise Http404
    site = Site.objects.get(pk=ask.site.id)
    answer = HttpResponse(installed_xlsx(site, get_language() or "zh-hans"), content_type=XLSX)
    answer["Content-Disposition"] = 'attachment; filename="prewatt-installed.xlsx"'
    return answer


urlpatterns = [
    path("settings/import", page, name="settings-import"),
    path("settings/import/template", template, name="settings-import-template"),
    path("settings/import/installed", installed, name="settings-import-installed"),
]
