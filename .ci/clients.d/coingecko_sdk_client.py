"""PyPI coingecko-sdk with strict validation of every answer."""

import time

import coingecko_sdk
from coingecko_sdk import Coingecko

from faults import FAKE, fails, fault


def client(**options):
    return Coingecko(
        base_url=FAKE,
        environment=coingecko_sdk.NOT_GIVEN,
        demo_api_key="CG-python-sdk",
        _strict_response_validation=True,
        timeout=5,
        **{"max_retries": 0, **options},
    )


cg = client()
price = lambda: cg.simple.price.get(ids="bitcoin", vs_currencies="usd")

# Every endpoint that both know.
assert cg.ping.get().gecko_says == "(V3) To the Moon!"
assert price()["bitcoin"].usd > 0
everything = cg.simple.price.get(
    ids="bitcoin,ethereum",
    vs_currencies="usd,eur",
    include_market_cap=True,
    include_24hr_vol=True,
    include_24hr_change=True,
    include_last_updated_at=True,
    precision="full",
)
assert set(everything) == {"bitcoin", "ethereum"} and everything["ethereum"].last_updated_at > 1_600_000_000
assert cg.simple.price.get(ids="no-such-coin", vs_currencies="usd") == {}
currencies = cg.simple.supported_vs_currencies.get()
assert len(currencies) == 63 and "usd" in currencies and "usdt" not in currencies
markets = cg.coins.markets.get(vs_currency="usd", per_page=250, price_change_percentage="1h,24h,7d", sparkline=True)
assert len(markets) == 250 and markets[0].market_cap_rank == 1 and markets[0].roi is None
assert cg.coins.markets.get(vs_currency="usd", ids="no-such-coin") == []
coins = cg.coins.list.get(include_platform=True)
assert len(coins) >= 250 and {coin.id for coin in markets} <= {coin.id for coin in coins}
bitcoin = cg.coins.get_id("bitcoin")
assert bitcoin.symbol == "btc" and bitcoin.market_data.current_price["usd"] > 0
key = cg.key.get()
assert key.plan == "Demo" and key.rate_limit_request_per_minute == 100 and key.current_total_monthly_calls > 0

# What is wrong with a call.
fails(lambda: cg.coins.get_id("no-such-coin"), coingecko_sdk.NotFoundError)
fails(lambda: cg.coins.markets.get(vs_currency="nothing"), coingecko_sdk.BadRequestError)
error = fails(lambda: cg.simple.price.get(vs_currencies=""), coingecko_sdk.UnprocessableEntityError)
assert "Missing parameter vs_currencies" in str(error), error
error = fails(lambda: Coingecko(base_url=FAKE, pro_api_key="CG-p", max_retries=0).ping.get(), coingecko_sdk.BadRequestError)
assert "10010" in str(error), error

# What is wrong with CoinGecko.
with fault('kind = "rate_limit"\nlimit = "0/min"\nretry_after = "1s"'):
    error = fails(price, coingecko_sdk.RateLimitError)
    assert error.response.headers["retry-after"] == "1" and len(error.response.content) == 187
with fault('kind = "rate_limit"\nlimit = "0/min"\nretry_after = "1s"\nfirst = 1') as touched:
    began = time.monotonic()
    assert client(max_retries=1).ping.get().gecko_says
    assert time.monotonic() - began >= 1, "Retry-After is a floor"
    assert touched() == 1
with fault('kind = "gateway_html"\nstatus = 503') as touched:
    fails(client(max_retries=1).ping.get, coingecko_sdk.InternalServerError)
    assert touched() == 2, "a 503 is retried"
with fault('kind = "app_500_html"'):
    fails(price, coingecko_sdk.InternalServerError)
with fault('kind = "quota_exhausted"'):
    assert "10006" in str(fails(cg.key.get, coingecko_sdk.RateLimitError))
with fault('kind = "endpoint_disabled"\nmatch = { path = "/coins/markets" }'):
    fails(lambda: cg.coins.markets.get(vs_currency="usd"), coingecko_sdk.PermissionDeniedError)
    assert price()["bitcoin"].usd > 0
with fault('kind = "html_with_200"'):
    fails(price, coingecko_sdk.APIResponseValidationError)
for how, errors in {
    "length": (coingecko_sdk.APIConnectionError,),
    "chunked": (coingecko_sdk.APIConnectionError,),
    "json": (ValueError, coingecko_sdk.APIResponseValidationError),
}.items():
    with fault(f'kind = "truncated"\nhow = "{how}"'):
        fails(lambda: cg.coins.list.get(), *errors)
for how in ("close", "reset"):
    with fault(f'kind = "connect_fail"\nhow = "{how}"'):
        fails(price, coingecko_sdk.APIConnectionError)
assert price()["bitcoin"].usd > 0
print("coingecko-sdk (Python, strict): agrees")
