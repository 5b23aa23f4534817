"""A notifier for demos and rehearsals: it sends nothing and notes in the log that it would have."""

import logging

from prewatt.office.alarms.notifiers.channel import Answer, Message, Verdict, hidden

log = logging.getLogger(__name__)


class LogNotifier:
    """Accepts every number with enough digits to be one; what is said is never logged."""

    code = "log"
    real = False

    def send(self, message: Message) -> Answer:
        if sum(each.isdigit() for each in message.recipient) < len("12345"):
            return Answer(verdict=Verdict.REFUSED, code="recipient")
        log.info("a notice for %s is not sent: this notifier only logs", hidden(message.recipient))
        return Answer(verdict=Verdict.ACCEPTED, reference="log")
