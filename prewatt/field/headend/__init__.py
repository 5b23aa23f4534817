"""The head-end (前置机): polls meters and carries out jobs over lines, for a mailbox it is given.

Face: `HeadEnd(mailbox, name=..., catalogue=..., clock=...).run(stop)`, or `main` for a whole process.
"""

from prewatt.field.headend.advice import Advice, Adviser, no_adviser
from prewatt.field.headend.boards import Board, Boards
from prewatt.field.headend.fence import Fence, steady_clock
from prewatt.field.headend.headend import HeadEnd
from prewatt.field.headend.mqtt_board import MqttBoard
from prewatt.field.headend.mqtt_post import Broker, BrokerPost, answers
from prewatt.field.headend.process import main
from prewatt.field.headend.switchboard import Switchboard
from prewatt.field.headend.threads import PoolThread, Thread
from prewatt.field.headend.tls import Trust, context_of, transports_of
from prewatt.field.headend.tls_call import TlsPort, listening_context
from prewatt.field.headend.transports import TRANSPORTS, Link, LinkError, Listener, Opener, Transport

__all__ = [
    "TRANSPORTS",
    "Advice",
    "Adviser",
    "Board",
    "Boards",
    "Broker",
    "BrokerPost",
    "MqttBoard",
    "answers",
    "Fence",
    "HeadEnd",
    "Link",
    "LinkError",
    "Listener",
    "Opener",
    "PoolThread",
    "Switchboard",
    "Thread",
    "Transport",
    "TlsPort",
    "Trust",
    "context_of",
    "listening_context",
    "transports_of",
    "main",
    "no_adviser",
    "steady_clock",
]
