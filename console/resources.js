// What a tenant owns.

import { brokenOff, get, query } from "./api.js";
import { byId, cells, el, keyed } from "./dom.js";
import { moment } from "./format.js";
import { noTrouble, reason, trouble } from "./trouble.js";

let owner = null;
let owned = [];
let cursor = null;

export async function showResources(tenant) {
  closeResources();
  owner = tenant;
  await more();
}

export function closeResources() {
  owner = null;
  owned = [];
  cursor = null;
  byId("resources").replaceChildren();
  byId("resources-more").hidden = true;
  noTrouble("resources-trouble");
}

/** Asks again for what was not to be had. */
export async function refreshResources() {
  if (byId("resources-trouble").firstChild) await more();
}

async function more() {
  const tenant = owner;
  try {
    const page = await get(query("v1/resources", { tenant, limit: "50", cursor }));
    if (tenant !== owner) return;
    owned = [...owned, ...page.resources];
    cursor = page.next;
    draw();
    noTrouble("resources-trouble");
  } catch (error) {
    if (tenant !== owner || brokenOff(error)) return;
    // The button that tries again stands in the place of the one that shows more.
    byId("resources-more").hidden = true;
    trouble("resources-trouble", `${owned.length ? "The rest is" : "What it owns is"} not to be had: ${reason(error)}.`, more);
  }
}

function draw() {
  byId("resources-more").hidden = !cursor;
  if (!owned.length) {
    byId("resources").replaceChildren(el("tr", {}, el("td", { colspan: 4, class: "none" }, "Nothing is known to be its own.")));
    return;
  }
  keyed(
    byId("resources"),
    owned,
    (it) => `${it.upstream} ${it.kind} ${it.id}`,
    () => el("tr", {}, el("td"), el("th", { scope: "row", class: "code" }), el("td"), el("td")),
    (row, it) => cells(row, [it.kind, it.id, it.user, moment(it.since)]),
  );
}

export function startResources() {
  closeResources();
  byId("resources-more").addEventListener("click", more);
}
