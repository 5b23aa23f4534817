"""Price sets of a meter (电价套). Which prices are wanted is not decided here: they are those of a plan
(`vending.price_sets`)."""

from typing import Final

from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.prices import PriceRead, PriceSet, PriceTable, check_prices
from prewatt.core.meters.wallet import price_of
from prewatt.office.metering.jobs import prices_json, prices_of, prices_read_of
from prewatt.office.metering.models import WantedPrices
from prewatt.office.metering.standby import Pair

PRICE_SETS: Final[Pair[PriceSet, PriceTable, PriceRead, WantedPrices]] = Pair(
    name="prices", reads=Intent.READ_PRICES, writes=Intent.WRITE_PRICES, unknown="prices_not_supported",
    single="prices_no_standby", table=lambda profile: profile.prices, check=check_prices, to_json=prices_json,
    of_json=prices_of, read_of_json=prices_read_of, said=lambda prices: [str(price_of(each)) for each in prices.rates],
    action="metering.prices", model=WantedPrices,
)  # fmt: skip
