// Looking again now and then: every panel for itself, so that one that fails leaves the others as they are.

import { Unanswered, brokenOff } from "./api.js";
import { byId, say } from "./dom.js";
import { showFigures } from "./figures.js";
import { when } from "./format.js";
import { refreshHealth, refreshPolicy } from "./health.js";
import { signedIn } from "./session.js";
import { refreshStreams } from "./streams.js";
import { refreshTenants } from "./tenants.js";
import { refreshTraffic } from "./traffic.js";
import { from, noTrouble, reason, trouble } from "./trouble.js";

/** How often the panels look again, in milliseconds, while somebody looks at them. */
const AGAIN = 5_000;
/** The panels, by the id of their section. */
const PANELS = { health: refreshHealth, policy: refreshPolicy, traffic: refreshTraffic, tenants: refreshTenants, streams: refreshStreams };

let timer = null;
let underWay = null;
/** What each panel said last, and when. */
let said = new Map();
let times = new Map();
/** When the gate answered last, to whichever panel. */
let heard = null;

/** Every panel looks again; a call while one is under way waits for that and looks once more. */
export async function refresh() {
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
  const failed = new Map();
  await Promise.all(Object.entries(PANELS).map(async ([panel, refreshed]) => {
    try {
      said.set(panel, await refreshed());
      times.set(panel, new Date());
    } catch (error) {
      failed.set(panel, error);
    }
  }));
  const errors = [...failed.values()];
  if (!signedIn() || errors.some(brokenOff)) return;
  // A refusal is an answer too, and so is what can't be read.
  const connected = errors.length < Object.keys(PANELS).length || errors.some((error) => !(error instanceof Unanswered));
  if (connected) heard = new Date();
  for (const panel of Object.keys(PANELS)) mark(panel, failed.get(panel), connected);
  showFigures(said, (panel) => failed.has(panel));
  connection(connected);
  if (!document.hidden) timer = setTimeout(refresh, AGAIN);
}

/** Shows how a panel fared. Where nobody answers that is said once for all. */
function mark(panel, error, connected) {
  const time = times.has(panel) ? when(times.get(panel)) : null;
  from(byId(panel), error && time);
  const id = `${panel}-trouble`;
  if (error && connected) trouble(id, `Not to be had: ${reason(error)}. ${time ? `What stands here is from ${time}.` : ""}`.trim(), refresh);
  else noTrouble(id);
}

function connection(connected) {
  const last = heard ? when(heard) : null;
  const element = byId("freshness");
  element.hidden = false;
  element.dataset.state = connected ? "good" : "bad";
  say(element, connected ? `Updated ${last}` : last ? `Not connected since ${last}` : "Not connected");
  if (connected) noTrouble("disconnected");
  else trouble("disconnected", `Not connected to the gate${last ? ` since ${last}. What is shown is from then` : ""}. This page goes on trying by itself.`, refresh);
}

/** Stops looking and forgets what was said. */
export function stopLooking() {
  clearTimeout(timer);
  said = new Map();
  times = new Map();
  heard = null;
  const element = byId("freshness");
  element.hidden = true;
  element.textContent = "";
}
