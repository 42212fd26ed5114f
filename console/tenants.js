// Tenants: what they spent under which ceilings, what is reserved, and when it begins anew.

import { get } from "./api.js";
import { bar, closeLines, refreshLines, reset, showLines, used } from "./ceilings.js";
import { byId, cells, el, keyed, say } from "./dom.js";
import { count, roughly, usd } from "./format.js";
import { padded, spark } from "./plot.js";
import { closeResources, refreshResources, showResources } from "./resources.js";
import { span } from "./traffic.js";
import { noTrouble, trouble } from "./trouble.js";

/** Most tenants that are shown at a time. */
const MOST = 100;
const STEPS = { hour: 60, day: 96 };
const SPANS = { hour: "the last hour", day: "the last day" };
let tenants = [];
/** By tenant; a plain object would have a value for a tenant called `constructor`. */
let charges = new Map();
let chosen = null;

export async function refreshTenants() {
  const [answer, spend] = await Promise.all([get("v1/tenants"), get(`v1/series/spend?window=${span()}`)]);
  tenants = [...answer.tenants];
  charges = new Map(Object.entries(spend.tenants).map(([tenant, amounts]) => [tenant, amounts.map(Number)]));
  rows();
  whetherThere();
  await Promise.all([refreshLines(), refreshResources()]);
  return { all: tenants.length, near: tenants.filter((tenant) => tenant.ceilings.some((ceiling) => used(ceiling) >= 0.8)).length };
}

function rows() {
  say(byId("charged-over"), `Charged over ${SPANS[span()]}`);
  const wanted = byId("find-tenant").value.trim().toLowerCase();
  const found = tenants.filter((tenant) => tenant.id.toLowerCase().includes(wanted));
  const items = found.slice(0, MOST).flatMap((tenant) => {
    const ceilings = tenant.ceilings.length ? tenant.ceilings : [null];
    return ceilings.map((ceiling, at) => ({ tenant, ceiling, at }));
  });
  keyed(
    byId("tenant-rows"),
    items,
    (item) => `${item.tenant.id} ${item.at}`,
    (item) => el("tr", { class: item.at ? "further" : "" },
      el("th", { scope: "row" }, name(item)), el("td"), el("td", { class: "number" }), el("td"), el("td", { class: "spark" })),
    (row, { tenant, ceiling, at }) => {
      row.classList.toggle("chosen", tenant.id === chosen);
      if (!at) state(row.children[0], tenant);
      const amounts = padded(charges.get(tenant.id) ?? [], STEPS[span()]);
      const charged = amounts.reduce((sum, amount) => sum + amount, 0);
      const said = `Charged over ${SPANS[span()]}: ${roughly(charged)}`;
      cells(row, [
        undefined,
        ceiling ? bar(ceiling, tenant.id) : el("span", { class: "hint" }, "no ceiling of its own"),
        ceiling ? el("span", { title: usd(ceiling.reserved_usd) }, roughly(ceiling.reserved_usd)) : "",
        ceiling ? reset(ceiling) : "",
        at ? "" : el("div", { class: "charged" }, spark(amounts, "charges", said), el("span", { class: "amount" }, roughly(charged))),
      ]);
    },
  );
  const left = found.length - Math.min(found.length, MOST);
  say(byId("tenants-more"), left ? `${count(left)} more match; find them by name.` : found.length ? "" : tenants.length ? "No tenant matches." : "There is no tenant yet.");
}

/** A tenant can be taken out of the policies while somebody looks at it. */
function whetherThere() {
  if (chosen && !tenants.some((tenant) => tenant.id === chosen)) trouble("tenant-trouble", "The gate does not have this tenant any more: no policy lists it, and it never spent anything.");
  else noTrouble("tenant-trouble");
}

function name({ tenant, at }) {
  if (at) return el("span", { class: "hidden" }, tenant.id);
  return el("div", { class: "tenant-name" },
    el("button", { class: "link", type: "button", onclick: () => choose(tenant.id), "aria-expanded": "false", "aria-controls": "tenant" }, tenant.id),
    el("span", { class: "tag" }));
}

function state(cell, tenant) {
  cell.querySelector("button").setAttribute("aria-expanded", String(tenant.id === chosen));
  const tag = cell.querySelector(".tag");
  say(tag, tenant.suspended ? "suspended" : tenant.listed ? "" : "not listed");
  tag.classList.toggle("bad", tenant.suspended);
}

async function choose(id) {
  chosen = chosen === id ? null : id;
  rows();
  byId("tenant").hidden = !chosen;
  closeLines();
  closeResources();
  say(byId("tenant-title"), chosen ?? "");
  whetherThere();
  if (!chosen) return;
  // At once: whoever goes on meanwhile is not to be called back when the answers are there.
  byId("tenant").focus({ preventScroll: true });
  await Promise.all([showLines(chosen), showResources(chosen)]);
  byId("tenant").scrollIntoView({ block: "nearest" });
}

export function startTenants() {
  tenants = [];
  charges = new Map();
  chosen = null;
  closeLines();
  byId("find-tenant").addEventListener("input", rows);
  byId("tenant-close").addEventListener("click", () => {
    const opener = document.querySelector(".tenants tr.chosen button");
    choose(chosen);
    opener?.focus();
  });
}
