"""The profiles a head-end knows: those of the product, and the sites' own versions as their plans bring them."""

import logging
from collections.abc import Iterable, Iterator, Mapping

from prewatt.core.meters import Profile, load
from prewatt.core.meters.jobs import Job
from prewatt.core.meters.mailbox import LinePlan
from prewatt.core.meters.own import load_own
from prewatt.core.refusals import Refused

log = logging.getLogger("prewatt.headend")


class Shelf(Mapping[str, Profile]):
    """Code -> profile. A version that is known is read again only when its text is another."""

    def __init__(self, shipped: Mapping[str, Profile]) -> None:
        self._profiles = dict(shipped)
        self._texts: dict[str, str] = {}

    def __getitem__(self, code: str) -> Profile:
        return self._profiles[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)

    def learn(self, plans: Iterable[LinePlan]) -> None:
        """Take over what plans bring. A text that this program cannot read leaves its meters alone, and says so."""
        for own in {each for plan in plans for each in plan.profiles}:
            if self._texts.get(own.code) == own.text:
                continue
            self._texts[own.code] = own.text
            try:
                self._profiles[own.code] = load_own(own)
            except Refused as refused:
                self._profiles.pop(own.code, None)
                log.error("profile_refused code=%s reason=%s", own.code, refused.code)


def spoken(job: Job, standing: Profile) -> Profile:
    """What a job is carried out by: the meter's profile, or the draft that is to be tried."""
    return load(job.draft) if job.draft else standing
