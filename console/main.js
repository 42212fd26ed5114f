// The console: who is signed in sees the panels, everybody else a form.

import { Refused, brokenOff, get } from "./api.js";
import { startAudit, startTail, stopTail } from "./audit.js";
import { byId, say } from "./dom.js";
import { startExplain } from "./explain.js";
import { startHealth } from "./health.js";
import { refresh, stopLooking } from "./look.js";
import { startResources } from "./resources.js";
import { forget, remember, signedIn } from "./session.js";
import { startTenants } from "./tenants.js";
import { startTheme } from "./theme.js";
import { startTraffic } from "./traffic.js";

/** The panels as they come, without anything in them. */
const empty = byId("console").cloneNode(true);

/** Puts every panel into its first state. */
function furnish() {
  startHealth(refresh);
  startTraffic(refresh);
  startTenants();
  startResources();
  startAudit();
  startExplain();
}

/** Shows the form, the way to set a token, or the console. */
function show(what) {
  byId("loading").hidden = true;
  byId("sign-in").hidden = what === "console";
  byId("sign-in-form").hidden = what !== "form";
  byId("no-token").hidden = what !== "closed";
  for (const id of ["console", "sections", "sign-out"]) byId(id).hidden = what !== "console";
}

async function enter() {
  show("console");
  startTail();
  await refresh();
}

/** Forgets the token and all that it let this page see: panels that hold nothing take the places of those that do. */
function leave(where, why) {
  forget();
  stopTail();
  stopLooking();
  byId("console").replaceWith(empty.cloneNode(true));
  furnish();
  byId("token").value = "";
  show(where);
  say(byId("sign-in-problem"), why);
  if (where === "form") byId("token").focus();
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
    // With a token at hand the panels say what is wrong, and find the gate again by themselves.
    if (signedIn()) {
      await enter();
      return;
    }
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
      const entered = enter();
      byId("main").focus();
      await entered;
      return;
    }
    forget();
    if (where === "closed") show("closed");
    say(byId("sign-in-problem"), "That is not the gate's admin token.");
  } catch (error) {
    if (brokenOff(error)) return;
    forget();
    say(byId("sign-in-problem"), error instanceof Refused ? error.message : "The gate does not answer, or the token has characters that no token has.");
  }
  field.focus();
  field.select();
});
byId("look-again").addEventListener("click", begin);
byId("sign-out").addEventListener("click", () => leave("form", ""));
document.addEventListener("shut-out", ({ detail: refused }) => {
  if (byId("console").hidden) return;
  if (refused.status === 403) leave("closed", "");
  else leave("form", "The gate does not take this token any more.");
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && signedIn() && !byId("console").hidden) refresh();
});

startTheme();
furnish();
begin();
