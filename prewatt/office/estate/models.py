"""The estate: who owns what, where it stands, who is supplied by which circuit at which plan."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint


class Company(models.Model):
    """A legal entity (法人): owns sites and books. Amounts are integers of its currency's minor unit."""

    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)  # ISO 4217
    exponent = models.SmallIntegerField()  # 2 for CNY, 0 for UGX


class Site(models.Model):
    """Estate under one management (项目)."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT)
    code = models.CharField(max_length=16)
    name = models.CharField(max_length=120)
    timezone = models.CharField(max_length=48, default="Asia/Shanghai")
    # a supply that comes back is only permitted (允许合闸): who is there presses the meter's key
    closes_by_key = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [UniqueConstraint(name="site_code", fields=["company", "code"])]


class Building(models.Model):
    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    code = models.CharField(max_length=16)
    name = models.CharField(max_length=64)
    sort = models.SmallIntegerField(default=0)

    class Meta:
        constraints = [UniqueConstraint(name="building_code", fields=["site", "code"])]


class Room(models.Model):
    """Place supplied (房间, 商铺). `name` is the sign over the door."""

    building = models.ForeignKey(Building, on_delete=models.PROTECT)
    floor = models.SmallIntegerField()  # -1 is B1; there is no 0
    code = models.CharField(max_length=32)
    name = models.CharField(max_length=64, blank=True)
    initials = models.CharField(max_length=64, blank=True)  # pinyin initials of the name, for the find box
    area_dm2 = models.IntegerField(null=True)  # hundredths of a square metre

    class Meta:
        constraints = [UniqueConstraint(name="room_code", fields=["building", "code"])]


class Customer(models.Model):
    """Party that pays (用户)."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT)
    name = models.CharField(max_length=120)
    initials = models.CharField(max_length=64, blank=True)
    phone = models.CharField(max_length=32, blank=True)
    customer_class = models.CharField(max_length=32, blank=True)  # 用户类型
    reference = models.CharField(max_length=32, blank=True)  # his id in the books he was taken over from; "": none

    class Meta:
        constraints = [
            UniqueConstraint(name="customer_reference", fields=["company", "reference"], condition=~Q(reference="")),
        ]


class ContractState(models.TextChoices):
    OPENING = "opening"  # until the meter agrees
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Contract(models.Model):
    """Supply contract (户)."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    number = models.CharField(max_length=20, unique=True)  # 户号
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    state = models.CharField(max_length=8, choices=ContractState.choices)
    opened_on = models.DateField(null=True)  # the day on paper of one that was taken over, in the site's zone
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)


class Station(models.Model):
    """Where gateways stand together (通讯子站): one cabinet, one supply, one way out."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    code = models.CharField(max_length=16)
    name = models.CharField(max_length=64)
    place = models.CharField(max_length=120, blank=True)  # where it is: building, floor, room
    equipment = models.CharField(max_length=255, blank=True)  # what stands there: cabinet, switch, battery, key

    class Meta:
        constraints = [UniqueConstraint(name="station_code", fields=["site", "code"])]


class Gateway(models.Model):
    """Serial server or manager. We connect to its `host`, or it dials in and says its `identity`; an Acrel gateway
    proves it by its `secret`, and each of its serial ports is a line."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    code = models.CharField(max_length=16)
    name = models.CharField(max_length=64)
    host = models.CharField(max_length=255, blank=True)  # "" when it dials in
    identity = models.CharField(max_length=96, blank=True, db_default="", default="")  # `core.wire.serialserver.shown`
    heartbeat = models.CharField(max_length=96, blank=True, db_default="", default="")  # its text, when it dials in
    secret = models.CharField(max_length=16, blank=True, db_default="", default="")  # of an Acrel gateway; "": another
    sealed = models.BooleanField(db_default=True, default=True)  # and whether it ciphers with it
    station = models.ForeignKey(Station, null=True, on_delete=models.PROTECT)  # null: it stands alone
    revision = models.IntegerField(default=1)  # grows when a line or meter below changes

    class Meta:
        constraints = [
            UniqueConstraint(name="gateway_code", fields=["site", "code"]),
            UniqueConstraint(name="gateway_identity", fields=["identity"], condition=~Q(identity="")),
        ]


class Line(models.Model):
    """Bus behind a gateway: one conversation at a time."""

    gateway = models.ForeignKey(Gateway, on_delete=models.PROTECT)
    code = models.CharField(max_length=16)
    transport = models.CharField(max_length=16)  # "rtu-over-tcp" | "modbus-tcp" | "dial-in" (port 0) | "acrel-gateway"
    port = models.IntegerField()  # of TCP; of an Acrel gateway the number of its serial port
    baud = models.IntegerField(default=9600)
    medium = models.CharField(max_length=8, blank=True, db_default="", default="")  # `core.meters.media.Medium`

    class Meta:
        constraints = [UniqueConstraint(name="line_code", fields=["gateway", "code"])]


class Meter(models.Model):
    """Meter (电表). `number` is what is printed on it. One that is never online has no line, and unit 0: it is told of
    credit by tokens that somebody types into it."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    number = models.CharField(max_length=20, unique=True)
    profile = models.CharField(max_length=48)  # code of the TOML profile, or `code@version` of the site's own
    line = models.ForeignKey(Line, null=True, on_delete=models.PROTECT)
    unit = models.SmallIntegerField(default=0)
    ct_ratio = models.IntegerField(default=1)  # what the head-end multiplies energy and power by
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            UniqueConstraint(name="meter_unit_on_line", fields=["line", "unit"], condition=Q(removed_at__isnull=True)),
            CheckConstraint(name="meter_unit_where_line", condition=Q(line__isnull=False) | Q(unit=0)),
        ]


class ProfileVersion(models.Model):
    """A version of a meter model that a company made its own (自建表型). Never changed and never deleted (a trigger sees
    to it): a meter names it as `core.meters.own.name_of`, and moves to another by an act. Shipped models are files."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT)
    site = models.ForeignKey(Site, null=True, on_delete=models.PROTECT)  # None: for all sites of the company
    code = models.CharField(max_length=40)  # that of the text; its versions belong to one company and one site
    version = models.SmallIntegerField()
    based_on = models.CharField(max_length=48, blank=True)  # what it was copied from; "": begun from nothing
    note = models.CharField(max_length=255)  # why
    text = models.TextField()  # TOML that `core.meters.own.check_own` accepted
    actor = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            UniqueConstraint(name="profile_version", fields=["code", "version"]),
            CheckConstraint(name="profile_version_from_one", condition=Q(version__gte=1)),
        ]


class Circuit(models.Model):
    """Outgoing circuit of a meter (回路)."""

    class Use(models.TextChoices):
        TENANT = "tenant"
        COMMON = "common"  # common area, read only

    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT)
    index = models.SmallIntegerField(default=1)
    room = models.ForeignKey(Room, null=True, on_delete=models.PROTECT)
    use = models.CharField(max_length=8, choices=Use.choices, default=Use.TENANT)
    never_cut = models.BooleanField(default=False)

    class Meta:
        constraints = [
            UniqueConstraint(name="circuit_index", fields=["meter", "index"]),
            CheckConstraint(name="circuit_index_from_one", condition=Q(index__gte=1)),
        ]


class Plan(models.Model):
    """Tariff plan (电价方案)."""

    company = models.ForeignKey(Company, on_delete=models.PROTECT)
    code = models.CharField(max_length=32)
    name = models.CharField(max_length=64)

    class Meta:
        constraints = [UniqueConstraint(name="plan_code", fields=["company", "code"])]


class PlanVersion(models.Model):
    """Immutable version of a plan, in force from `valid_from` until the next one's."""

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    price = models.DecimalField(max_digits=12, decimal_places=6)  # company's currency per kWh
    valid_from = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            UniqueConstraint(name="plan_version_from", fields=["plan", "valid_from"]),
            CheckConstraint(name="plan_price_positive", condition=Q(price__gt=0)),
        ]


class Custody(models.TextChoices):
    METER = "meter"  # 表内计费
    SERVER = "server"  # 后台计费


class Carrier(models.TextChoices):
    """How credit reaches a meter that holds it."""

    NETWORK = "network"  # as an order over its line
    TOKEN = "token"  # as 20 STS digits that somebody types in


class SupplyPoint(models.Model):
    """A circuit assigned to a contract, from and to (供电点). Thresholds in the circuit's credit unit."""

    class State(models.TextChoices):
        OPENING = "opening"
        OPEN = "open"
        CLOSING = "closing"
        CLOSED = "closed"

    contract = models.ForeignKey(Contract, on_delete=models.PROTECT)
    circuit = models.ForeignKey(Circuit, on_delete=models.PROTECT)
    custody = models.CharField(max_length=8, choices=Custody.choices)
    prepaid = models.BooleanField(default=True)
    carrier = models.CharField(max_length=8, choices=Carrier.choices, default=Carrier.NETWORK, db_default="network")
    credit_unit = models.CharField(max_length=3)  # "Wh" or the company's currency
    state = models.CharField(max_length=8, choices=State.choices)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True)
    alarm_1 = models.BigIntegerField(default=0)
    alarm_2 = models.BigIntegerField(default=0)
    overdraft = models.BigIntegerField(default=0)
    hoarding_limit = models.BigIntegerField(default=0)  # 0 = none
    load_limit_w = models.IntegerField(default=0)  # 0 = none
    # server-held only: the ledger account with the credit, and the first good reading, before which nothing is billed
    credit_account_id = models.BigIntegerField(null=True)
    opening_wh = models.BigIntegerField(null=True)
    opening_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="supply_point_no_overlap",
                index_type="GIST",
                expressions=[
                    (models.Func(F("circuit_id"), F("circuit_id"), models.Value("[]"), function="int8range"), "&&"),
                    (models.Func(F("valid_from"), F("valid_to"), function="tstzrange"), "&&"),
                ],
            ),
            CheckConstraint(name="supply_point_alarm_order", condition=Q(alarm_1__gte=F("alarm_2"))),
            CheckConstraint(
                name="supply_point_token_in_meter",
                condition=~Q(carrier="token") | Q(custody="meter", credit_unit="Wh", prepaid=True),
            ),
        ]


class PlanAssignment(models.Model):
    """Which plan holds for a supply point from when: the newest not in the future is in force."""

    supply_point = models.ForeignKey(SupplyPoint, on_delete=models.PROTECT, related_name="assignments")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT)
    valid_from = models.DateTimeField()

    class Meta:
        constraints = [UniqueConstraint(name="plan_assignment_from", fields=["supply_point", "valid_from"])]
