"""What the stock client sees of models, with and without a gate that meters them; what that costs."""

from fractions import Fraction

import bill
import gate
import models
import scripted

from openai import APIStatusError, OpenAI, RateLimitError

POLICY = """
[[prices]]
model = "gauge-1"
input = "2.00"
output = "8.00"
cache_read = "0.50"
[[prices]]
model = "gauge-embedding"
input = "2.00"
output = "0"
max_output = 0
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
MILLION = 1_000_000


def price(text):
    given, cached, output = models.counts(text)
    return Fraction(2 * given + 8 * output, MILLION) + Fraction(cached, 2 * MILLION)


def calls(client):
    """Every call: its name, the text that says what is counted, what makes it."""
    def chat(text, **more):
        messages = [{"role": "user", "content": text}]
        return lambda: client.chat.completions.create(model="gauge-1", messages=messages, max_tokens=400, **more)

    def response(text, **more):
        return lambda: client.responses.create(model="gauge-1", input=text, max_output_tokens=400, **more)

    counted = {"include_usage": True}
    for text in ("text", "text gzip", "cached", "tools", "refusal"):
        yield f"chat: {text}", text, chat(text)
        yield f"chat, streamed: {text}", text, chat(text, stream=True)
        yield f"chat, streamed and counted: {text}", text, chat(text, stream=True, stream_options=counted)
        yield f"chat, streamed and not counted: {text}", text, chat(text, stream=True, stream_options={"include_usage": False})
        yield f"response: {text}", text, response(text)
        yield f"response, streamed: {text}", text, response(text, stream=True)
    for text in ("embed", "embed gzip"):
        yield f"embedding: {text}", text, lambda text=text: client.embeddings.create(model="gauge-embedding", input=text)


def broken(client):
    """Calls that end badly: no one can say what they cost."""
    messages = {"text error": "an error event", "text cut": "a stream that is cut off"}
    for text, name in messages.items():
        said = [{"role": "user", "content": text}]
        yield name, lambda said=said: client.chat.completions.create(model="gauge-1", messages=said, max_tokens=400, stream=True)



def main():
    provider = scripted.Scripted(models.script)
    with gate.started("openai", provider.url, POLICY) as running:
        directly = OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        alice = OpenAI(base_url=f"{running.url}/v1", api_key=running.keys["alice"], max_retries=0)
        pairs = zip(calls(directly), calls(alice)), zip(broken(directly), broken(alice))
        bill.adds_up(running, *pairs, price)
        bob = OpenAI(base_url=f"{running.url}/v1", api_key=running.keys["bob"])
        bill.refused(running, provider, list(calls(bob)), RateLimitError, 429)
    with gate.started("openai", provider.url, POLICY + "[costs]\nexhausted_status = 402\n") as running:
        bob = OpenAI(base_url=f"{running.url}/v1", api_key=running.keys["bob"])
        bill.refused(running, provider, list(calls(bob))[:2], APIStatusError, 402)
