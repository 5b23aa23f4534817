"""Refusals of alarms: codes and texts."""

from prewatt.core.refusals import Text, register

register({"alarm_unknown": Text(en="No such open alarm.", zh="没有这条未解除的报警。")})
