"""Invented people and signs of the demo site. Any likeness is chance."""

from typing import Final

STALL_SIGNS: Final = (
    "星野烘焙", "摩卡茶饮", "鲜果时光", "青禾理发", "云朵美甲", "小马包子", "时光花艺", "乌贝童装", "和木瑜伽", "杰协手机",
    "青木造型", "锦绣布艺", "拾光书店", "蓝鲸眼镜", "木棉箱包", "橙子文具", "南山茶叶", "一品糕点", "花田护肤", "北岸户外",
    "晨曦药房", "乐活健身", "朵朵母婴", "快修先生", "格子家居", "白鹭珠宝", "山茶女装", "方寸钟表", "远行旅社", "小象玩具",
    "半亩园艺", "万象数码", "雨林宠物", "森系家具", "卓尔男装", "麦田零食", "简单日用", "素年饰品", "蜂蜜甜品", "千语照相",
    "金穗粮油", "安心洗衣", "大白配镜", "初见婚纱", "百味卤品", "飞鸟运动", "一勺酸奶", "墨香画廊", "巧手裁缝", "三木电器",
)  # fmt: skip
RESTAURANT_SIGNS: Final = (
    "川味小馆", "湘里厨房", "粤港茶餐厅", "江南鱼庄", "老灶火锅", "草原烤肉", "东北饺子", "西域拉面", "海晏酒楼", "一碗牛肉",
    "渝香干锅", "竹里素食",
)  # fmt: skip
SUPERMARKET_SIGN: Final = "万家超市"
SURNAMES: Final = "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
GIVEN: Final = (
    "星野", "建国", "晓梅", "文博", "雅琴", "志强", "美玲", "子涵", "海燕", "国栋", "丽华", "俊杰", "秀英", "宇航", "思远",
    "婷婷", "永康", "春生", "若兰", "立新", "明轩", "佳怡", "德胜", "小芸", "振华", "慧敏", "家豪", "晓东", "玉兰", "天宇",
)  # fmt: skip


def person(number: int) -> str:
    """A name; the same number gives the same name."""
    return SURNAMES[number * 7 % len(SURNAMES)] + GIVEN[number * 11 % len(GIVEN)]


def phone(number: int) -> str:
    """A number that cannot ring: the 000 block is not given out."""
    return f"1390000{number:04d}"
