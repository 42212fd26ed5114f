// What a tenant owns.

import { get, query } from "./api.js";
import { byId, cells, el, keyed } from "./dom.js";
import { moment } from "./format.js";

let owner = null;
let owned = [];
let cursor = null;

export async function showResources(tenant) {
  owner = tenant;
  owned = [];
  cursor = null;
  await more();
}

export function closeResources() {
  owner = null;
  byId("resources").replaceChildren();
  byId("resources-more").hidden = true;
}

async function more() {
  const tenant = owner;
  const page = await get(query("v1/resources", { tenant, limit: "50", cursor }));
  if (tenant !== owner) return;
  owned = owned.concat(page.resources);
  cursor = page.next;
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
  byId("resources-more").addEventListener("click", more);
}
