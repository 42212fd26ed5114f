"""What the stock client sees of models, with and without a gate that meters them; what that costs."""

from fractions import Fraction

import bill
import gate
import models
import scripted

from anthropic import Anthropic, APIStatusError, RateLimitError

POLICY = """
[[prices]]
model = "gauge-1"
input = "3.00"
output = "15.00"
cache_write = "3.75"
cache_read = "0.30"
[[tenants]]
id = "acme"
[[tenants.ceilings]]
scope = "tenant"
window = "total"
usd = "10.00"
[[tenants]]
id = "globex"
[[tenants.ceilings]]
scope = "tenant"
window = "rolling:1m"
usd = "0.000001"
"""
RATES = (Fraction(3), Fraction("3.75"), Fraction("0.30"), Fraction(15))


def price(text):
    return sum(count * rate for count, rate in zip(models.counts(text), RATES)) / 1_000_000


def asking(client, text, **more):
    messages = [{"role": "user", "content": text}]
    return lambda: client.messages.create(model="gauge-1", max_tokens=600, messages=messages, **more)


def calls(client):
    """Every call: its name, the text that says what is counted, what makes it."""
    for text in ("text", "text gzip", "cached", "tools", "thinking"):
        yield f"message: {text}", text, asking(client, text)
        yield f"message, streamed: {text}", text, asking(client, text, stream=True)


def broken(client):
    """Calls that end badly: no one can say what they cost."""
    yield "an error event", asking(client, "text error", stream=True)
    yield "a stream that is cut off", asking(client, "text cut", stream=True)



def main():
    provider = scripted.Scripted(models.script)
    with gate.started("anthropic", provider.url, POLICY) as running:
        directly = Anthropic(base_url=provider.url, api_key="k", max_retries=0)
        alice = Anthropic(base_url=running.url, api_key=running.keys["alice"], max_retries=0)
        pairs = zip(calls(directly), calls(alice)), zip(broken(directly), broken(alice))
        bill.adds_up(running, *pairs, price)
        before = bill.spent(running, "acme")
        counted = alice.messages.count_tokens(model="gauge-1", messages=[{"role": "user", "content": "text"}])
        free = bill.spent(running, "acme") == before
        gate.expect(counted.input_tokens == 25 and free, "counting tokens costs nothing")
        bob = Anthropic(base_url=running.url, api_key=running.keys["bob"])
        bill.refused(running, provider, list(calls(bob)), RateLimitError, 429)
    with gate.started("anthropic", provider.url, POLICY + "[costs]\nexhausted_status = 402\n") as running:
        bob = Anthropic(base_url=running.url, api_key=running.keys["bob"])
        bill.refused(running, provider, list(calls(bob))[:2], APIStatusError, 402)
