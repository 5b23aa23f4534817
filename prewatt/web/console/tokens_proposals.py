"""Tokens that take two persons: what was asked for, why, on what evidence; and the second person's answer."""

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import course, listings, proposals
from prewatt.office.tokens.models import TokenProposal, TokenRequest
from prewatt.web.console.meters_words import names_of
from prewatt.web.console.settings_fields import say
from prewatt.web.console.tokens_parts import PATH, REASON_MOST, make_digits, may_, meters, proposal_lines
from prewatt.web.console.tokens_words import tenths_words
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

Decision = TokenProposal.Decision
DECISIONS = {
    Decision.OPEN.value: pgettext_lazy("proposal", "waits for a second person"),
    Decision.AGREED.value: pgettext_lazy("proposal", "agreed to"),
    Decision.DECLINED.value: pgettext_lazy("proposal", "declined"),
}


def _found_or_404(ask: Ask, proposal_id: int) -> TokenProposal:
    found = listings.proposal(ask.site.id, meters(ask), proposal_id)
    if found is None:
        raise Http404
    return found


def _page(ask: Ask, row: TokenProposal, status: int = 200, **more: object) -> HttpResponse:
    line = proposal_lines(ask, [row])[0]
    open_ = row.decision == Decision.OPEN
    second = names_of([f"operator:{row.decided_by}"]) if row.decided_by else {}
    showed = row.register_tenths
    context: dict[str, object] = {
        "row": row, "line": line, "decision": DECISIONS[row.decision], "meter": row.sts_meter.meter,
        "showed": tenths_words(showed) if showed is not None else "",
        "second": next(iter(second.values()), ""),
        "decided": formats.when(row.decided_at, ask.at, ask.zone) if row.decided_at else "",
        "made": TokenRequest.objects.filter(proposal=row).first(),
        "held": course.outstanding(row.sts_meter, at=ask.at),
        "can_agree": open_ and may_(ask, Act.TOKEN_AGREE) and not line["mine"],
        "is_asker": open_ and line["mine"],
        **more,
    }  # fmt: skip
    return ask.page("tokens/proposal.html", context, status=status)


@require_safe
@console()
def one(ask: Ask, proposal_id: int) -> HttpResponse:
    return _page(ask, _found_or_404(ask, proposal_id))


@require_POST
@console()
def answer(ask: Ask, proposal_id: int) -> HttpResponse:
    """Agree: the request is stored and its token made. Decline: nothing is made, and why is kept."""
    row, post, actor = _found_or_404(ask, proposal_id), ask.request.POST, of_operator(ask.operator)
    reason = post.get("reason", "")[:REASON_MOST]
    try:
        if post.get("answer") != "agree":
            proposals.decline(row, reason=reason, actor=actor, at=ask.at)
            return redirect(f"{PATH}/proposals/{row.pk}")
        asked = proposals.agree(row, actor=actor, at=ask.at)
    except Refused as refused:
        return _page(ask, row, status=422, refused=refused, said=say(refused), reason=reason)
    make_digits(asked.request_id, ask)  # where the vault is away the token's page says that it waits
    return redirect(f"{PATH}/{asked.request_id}")


urlpatterns = [
    path("tokens/proposals/<int:proposal_id>", one, name="tokens-proposal"),
    path("tokens/proposals/<int:proposal_id>/answer", answer, name="tokens-proposal-answer"),
]
