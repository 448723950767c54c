// npm @coingecko/coingecko-typescript, the official client. It believes any 200.
import assert from 'node:assert/strict';
import Coingecko from '@coingecko/coingecko-typescript';

const { FAKE, ADMIN } = process.env;
const client = (options) =>
  new Coingecko({ baseURL: FAKE, demoAPIKey: 'CG-typescript', timeout: 5000, maxRetries: 0, ...options });
const cg = client();
const price = () => cg.simple.price.get({ ids: 'bitcoin', vs_currencies: 'usd' });

const faults = async () => (await (await fetch(ADMIN)).json()).faults[0].touched;
const broken = async (body, play) => {
  const set = await fetch(ADMIN, { method: 'POST', body: `name = "it"\n${body}` });
  assert.equal(set.status, 201, await set.text());
  try {
    await play();
    assert.ok((await faults()) > 0, `touched nothing: ${body}`);
  } finally {
    await fetch(ADMIN, { method: 'DELETE' });
  }
};

assert.equal((await cg.ping.get()).gecko_says, '(V3) To the Moon!');
assert.ok((await price()).bitcoin.usd > 0);
assert.equal((await cg.simple.supportedVsCurrencies.get()).length, 63);
const markets = await cg.coins.markets.get({ vs_currency: 'usd', per_page: 250 });
assert.equal(markets.length, 250);
assert.equal(Object.keys(markets[0]).length, 26);
assert.ok((await cg.coins.list.get()).length >= 250);
assert.ok((await cg.coins.getID('bitcoin')).market_data.current_price.usd > 0);
assert.equal((await cg.key.get()).plan, 'Demo');
await assert.rejects(cg.coins.getID('no-such-coin'), Coingecko.NotFoundError);

await broken('kind = "rate_limit"\nlimit = "0/min"\nretry_after = "53s"', () =>
  assert.rejects(price(), (error) => error instanceof Coingecko.RateLimitError && error.headers.get('retry-after') === '53'));
await broken('kind = "rate_limit"\nlimit = "0/min"\nretry_after = "1s"\nfirst = 1', async () => {
  const began = performance.now();
  assert.ok((await client({ maxRetries: 1 }).ping.get()).gecko_says);
  assert.ok(performance.now() - began >= 1000, 'Retry-After is a floor');
});
await broken('kind = "gateway_html"\nstatus = 503', async () => {
  await assert.rejects(client({ maxRetries: 1 }).ping.get(), Coingecko.InternalServerError);
  assert.equal(await faults(), 2, 'a 503 is retried');
});
await broken('kind = "html_with_200"', async () => {
  const page = await price();
  assert.match(String(page), /Just a moment/, 'a page is handed on as a success');
});
for (const how of ['length', 'chunked', 'json']) {
  await broken(`kind = "truncated"\nhow = "${how}"`, () => assert.rejects(cg.coins.list.get()));
}
await broken('kind = "connect_fail"\nhow = "close"', () => assert.rejects(price(), Coingecko.APIConnectionError));
assert.ok((await price()).bitcoin.usd > 0);
console.log('@coingecko/coingecko-typescript: agrees');
