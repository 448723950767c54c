"""PyPI pycoingecko, the widely used unofficial client."""

import requests
from pycoingecko import CoinGeckoAPI

from faults import FAKE, fails, fault

cg = CoinGeckoAPI(demo_api_key="CG-pycoingecko")
cg.api_base_url = FAKE + "/"
price = lambda: cg.get_price(ids="bitcoin", vs_currencies="usd")

assert cg.ping() == {"gecko_says": "(V3) To the Moon!"}
assert price()["bitcoin"]["usd"] > 0
assert set(cg.get_price(ids=["bitcoin", "ethereum"], vs_currencies=["usd", "eur"])["ethereum"]) == {"usd", "eur"}
assert cg.get_price(ids="no-such-coin", vs_currencies="usd") == {}
assert len(cg.get_supported_vs_currencies()) == 63
markets = cg.get_coins_markets(vs_currency="usd")
assert len(markets) == 100 and len(markets[0]) == 26, markets[0]
assert len(cg.get_coins_list()) >= 250
assert cg.get_coin_by_id("bitcoin")["market_data"]["current_price"]["usd"] > 0

assert "coin not found" in str(fails(lambda: cg.get_coin_by_id("no-such-coin"), ValueError))
assert "Missing parameter vs_currency" in str(fails(lambda: cg.get_coins_markets(vs_currency=""), ValueError))

with fault('kind = "rate_limit"\nlimit = "0/min"\nretry_after = "53s"'):
    assert "exceeded the Rate Limit" in str(fails(price, ValueError))
with fault('kind = "gateway_html"\nstatus = 502'):
    fails(price, requests.exceptions.HTTPError)
with fault('kind = "html_with_200"'):
    fails(price, ValueError, requests.exceptions.RequestException)
for how in ("length", "chunked", "json"):
    with fault(f'kind = "truncated"\nhow = "{how}"'):
        fails(cg.get_coins_list, ValueError, requests.exceptions.RequestException)
with fault('kind = "connect_fail"\nhow = "close"'):
    fails(price, requests.exceptions.ConnectionError)
with fault('kind = "null_fields"\nfields = ["price"]'):
    assert price() == {"bitcoin": {"usd": None}}
assert price()["bitcoin"]["usd"] > 0
print("pycoingecko: agrees")
