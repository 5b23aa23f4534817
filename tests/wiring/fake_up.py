"""`prewatt up` with small children in place of the product's: quick, and every start and stop is the real one.

python -m tests.wiring.fake_up CHILD...    each CHILD is `name=what the player plays`
"""

import sys
from collections.abc import Sequence

from prewatt.wiring import cli
from prewatt.wiring.config import Config
from prewatt.wiring.refusals import Exit
from prewatt.wiring.supervisor import Child
from prewatt.wiring.up import Up


def _children(config: Config) -> Sequence[Child]:
    words = [word.partition("=") for word in sys.argv[1:]]
    return [
        Child(name=name, command=(sys.executable, "-m", "tests.wiring.player", what), stage=stage, patience_s=1.0)
        for stage, (name, _, what) in enumerate(words)
    ]


def _up(config: Config, given: object) -> Exit:
    return Up(config, out=sys.stdout, err=sys.stderr, parts=_children, steps=lambda up: None).run()


if __name__ == "__main__":
    cli.COMMANDS["up"] = (_up, "", "")
    sys.exit(cli.main(["up"]))
