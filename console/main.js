// The console: signs in, then asks every panel to look again now and then.

import { Refused, get } from "./api.js";
import { startAudit, startTail, stopTail } from "./audit.js";
import { byId, el, keyed, say } from "./dom.js";
import { startExplain } from "./explain.js";
import { clock, count, share, short } from "./format.js";
import { refreshHealth, startHealth } from "./health.js";
import { startResources } from "./resources.js";
import { forget, remember, signedIn } from "./session.js";
import { refreshStreams } from "./streams.js";
import { refreshTenants, startTenants } from "./tenants.js";
import { startTheme } from "./theme.js";
import { refreshTraffic, startTraffic } from "./traffic.js";

/** How often the panels look again, in milliseconds, while somebody looks at them. */
const AGAIN = 5_000;
/** How long an answer is waited for. */
const PATIENCE = 20_000;

let timer = null;
let underWay = null;

/** Every panel looks again; a call while one is under way waits for that and looks once more. */
async function refresh() {
  while (underWay) await underWay;
  underWay = look();
  try {
    await underWay;
  } finally {
    underWay = null;
  }
}

async function look() {
  clearTimeout(timer);
  const options = { signal: AbortSignal.timeout(PATIENCE) };
  try {
    const [health, traffic, tenants, open] = await Promise.all([refreshHealth(options), refreshTraffic(options), refreshTenants(options), refreshStreams(options)]);
    figures(health, traffic, tenants, open);
    fresh(true);
  } catch (error) {
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
      leave("The gate does not take this token any more.");
      return;
    }
    fresh(false);
  }
  if (!document.hidden) timer = setTimeout(refresh, AGAIN);
}

function fresh(answered) {
  const element = byId("freshness");
  element.hidden = false;
  element.dataset.state = answered ? "good" : "bad";
  if (answered) element.dataset.at = clock(new Date().toISOString());
  say(element, answered ? `Updated ${element.dataset.at}` : `No answer since ${element.dataset.at ?? "the beginning"}`);
}

function figures({ ready, policy }, traffic, { tenants, near }, open) {
  const all = traffic.permitted + traffic.refused;
  const failing = Object.values(ready.checks).filter((check) => !check.ok).length;
  const items = [
    ["State", ready.ready ? "Ready" : "Not ready", failing ? `${failing} failing` : policy.last_error ? "last reload refused" : "all parts well", ready.ready ? (policy.last_error ? "warn" : "good") : "bad"],
    ["Policy", short(policy.revision), `${policy.files.length} ${policy.files.length === 1 ? "file" : "files"}`, policy.last_error ? "warn" : ""],
    ["Requests", count(all), `${count(traffic.minute)} in the last minute`, ""],
    ["Refused", share(traffic.refused, all), `${count(traffic.refused)} of ${count(all)}`, ""],
    ["Near a ceiling", count(near.length), `of ${count(tenants.length)} ${tenants.length === 1 ? "tenant" : "tenants"}`, near.length ? "warn" : ""],
    ["Open streams", count(open), "at present", ""],
  ];
  keyed(
    byId("figures"),
    items,
    ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd", { class: "figure" }), el("dd", { class: "note" })),
    (row, [, figure, note, state]) => {
      row.dataset.state = state;
      say(row.children[1], figure);
      say(row.children[2], note);
    },
  );
}

/** Shows the form, the way to set a token, or the console. */
function show(what) {
  byId("sign-in").hidden = what === "console";
  byId("sign-in-form").hidden = what !== "form";
  byId("no-token").hidden = what !== "closed";
  for (const id of ["console", "sections", "sign-out"]) byId(id).hidden = what !== "console";
  if (what !== "console") byId("freshness").hidden = true;
}

async function enter() {
  show("console");
  startTail();
  await refresh();
}

function leave(why) {
  forget();
  clearTimeout(timer);
  stopTail();
  show("form");
  say(byId("sign-in-problem"), why);
  byId("token").focus();
}

/** Asks with the token that is there, and says where that leads. */
async function knock() {
  try {
    await get("v1/policy");
    return "console";
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return "form";
    if (error instanceof Refused && error.status === 403) return "closed";
    throw error;
  }
}

async function begin() {
  try {
    const where = await knock();
    if (where === "console") await enter();
    else {
      forget();
      show(where);
    }
  } catch {
    show("form");
    say(byId("sign-in-problem"), "The gate does not answer.");
  }
}

byId("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("token");
  const given = field.value.trim();
  say(byId("sign-in-problem"), "");
  try {
    remember(given);
    const where = await knock();
    if (where === "console") {
      field.value = "";
      await enter();
      byId("main").focus();
      return;
    }
    forget();
    if (where === "closed") show("closed");
    say(byId("sign-in-problem"), "That is not the gate's admin token.");
  } catch (error) {
    forget();
    say(byId("sign-in-problem"), error instanceof Refused ? error.message : "The gate does not answer, or the token has characters that no token has.");
  }
  field.focus();
  field.select();
});
byId("look-again").addEventListener("click", begin);
// Everything that was shown is in memory; a fresh page has none of it.
byId("sign-out").addEventListener("click", () => {
  forget();
  location.reload();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && signedIn() && !byId("console").hidden) refresh();
});

startTheme();
startHealth(refresh);
startTraffic(refresh);
startTenants();
startResources();
startAudit();
startExplain();
begin();
