"""Holds a metering gate to what its callers see without it, and to a bill added up by hand."""

import time
from fractions import Fraction

import gate
import scripted


def soon(what, look):
    """What `look` finds within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.01)
    raise SystemExit(f"NOT SO: {what}")


def spent(running, tenant):
    """What is spent, once nothing is reserved."""
    def look():
        spent, reserved = running.spend(tenant)
        return None if reserved else spent
    return soon(f"nothing stays reserved for {tenant}", look)


def logged(running, tenant):
    """What the audit log says that its requests cost."""
    return sum(Fraction(record["cost_usd"]) for record in running.records(tenant) if record["cost_usd"])


def cost_of(running, name, plain, through):
    """What a call costs that has to look the same with the gate and without."""
    before = spent(running, "acme")
    expected, seen = scripted.view(plain), scripted.view(through)
    if seen != expected:
        raise SystemExit(f"NOT SO: {name}: the view is the same\n{expected}\n{seen}")
    return spent(running, "acme") - before


def adds_up(running, calls, broken, price):
    """`calls` are pairs of (name, text, call), around the gate and through it, and cost what `price` says of the text;
    `broken` are pairs of (name, call) of which nobody can say what they cost."""
    due = Fraction(0)
    for (name, text, plain), (_, _, through) in calls:
        cost = cost_of(running, name, plain, through)
        if cost != price(text):
            raise SystemExit(f"NOT SO: {name}: costs {float(price(text)):.9f}, not {float(cost):.9f}")
        gate.shown(f"{name}: the same view, {float(cost):.9f} USD")
        due += cost
    for (name, plain), (_, through) in broken:
        cost = cost_of(running, name, plain, through)
        gate.expect(cost > 0, f"{name}: the same view, and not free: {float(cost):.9f} USD")
        due += cost
    gate.expect(spent(running, "acme") == due, f"the ledger has what the bill has: {float(due):.9f} USD")
    soon("the log has it too", lambda: logged(running, "acme") == due or None)
    gate.shown("the log has it too")


def refused(running, provider, calls, kind, status):
    """`calls` of globex, which has no money: each raises `kind`, once."""
    asked, earlier = len(provider.asked), len(running.records("globex"))
    for name, _, call in calls:
        try:
            call()
        except kind as refusal:
            told = refusal.response.headers
            if refusal.status_code != status or told["x-should-retry"] != "false" or "budget_exceeded" not in str(refusal.body):
                raise SystemExit(f"NOT SO: {name}: {refusal.status_code} {refusal.body} {told}")
        else:
            raise SystemExit(f"NOT SO: {name}: refused")
    gate.expect(len(provider.asked) == asked, f"what does not fit is {kind.__name__} {status}, and no backend hears of it")
    soon("every call has a record", lambda: len(running.records("globex")) - earlier >= len(calls) or None)
    requests = len(running.records("globex")) - earlier
    gate.expect(requests == len(calls), f"nobody tries again: {len(calls)} calls, {requests} requests")
