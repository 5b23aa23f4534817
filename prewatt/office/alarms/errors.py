"""Refusals of alarms and notices: codes and texts."""

from prewatt.core.refusals import Text, register

register(
    {
        "alarm_unknown": Text(en="No such open alarm.", zh="没有这条未解除的报警。"),
        "notifier_none": Text(
            en="No channel to customers is set up here. Nothing was sent. Print the digits, or copy them.",
            zh="本系统没有设置发给用户的通道。什么都没有发送。请打印或复制数字。",
        ),
        "notice_nobody": Text(
            en="This meter supplies no such customer now. Nothing was sent.", zh="这块电表现在没有供给该用户。什么都没有发送。"
        ),
        "notice_no_number": Text(
            en="The customer's telephone number is missing or is none. Nothing was sent. Enter it with the customer.",
            zh="用户没有可用的电话号码。什么都没有发送。请先在用户资料中填写。",
        ),
        "notice_too_often": Text(
            en="This was sent {most} times already. Nothing was sent.", zh="这条通知已经发送过 {most} 次。什么都没有发送。"
        ),
    }
)
