// Tenants: what they spent under which ceilings, what is reserved, and when it begins anew.

import { get } from "./api.js";
import { byId, cells, el, keyed, say } from "./dom.js";
import { count, moment, roughly, until, usd } from "./format.js";
import { meter, padded, spark } from "./plot.js";
import { closeResources, showResources } from "./resources.js";
import { span } from "./traffic.js";

/** Most tenants that are shown at a time. */
const MOST = 100;
const STEPS = { hour: 60, day: 96 };
const SPANS = { hour: "the last hour", day: "the last day" };
const WINDOWS = { minute: "a minute", hour: "an hour", day: "a day", week: "a week", month: "a month", total: "in all" };
let tenants = [];
/** By tenant; a plain object would have a value for a tenant called `constructor`. */
let charges = new Map();
let chosen = null;

export async function refreshTenants(options) {
  const [answer, spend] = await Promise.all([get("v1/tenants", options), get(`v1/series/spend?window=${span()}`, options)]);
  tenants = answer.tenants;
  charges = new Map(Object.entries(spend.tenants).map(([tenant, amounts]) => [tenant, amounts.map(Number)]));
  rows();
  await showLines(options);
  return { tenants, near: tenants.filter((tenant) => tenant.ceilings.some((ceiling) => used(ceiling) >= 0.8)) };
}

const used = (ceiling) => {
  const limit = Number(ceiling.limit_usd);
  const held = Number(ceiling.spent_usd) + Number(ceiling.reserved_usd);
  return limit > 0 ? held / limit : 1;
};

/** A ceiling's bar and the amounts beside it. */
function bar(ceiling, whose) {
  const limit = Number(ceiling.limit_usd);
  const of = (amount) => (limit > 0 ? Number(amount) / limit : 1);
  const window = WINDOWS[ceiling.window] ?? ceiling.window;
  const said = `${whose}: ${usd(ceiling.spent_usd)} spent and ${usd(ceiling.reserved_usd)} reserved of ${usd(ceiling.limit_usd)} ${window}`;
  return el("div", { class: "ceiling" },
    meter(of(ceiling.spent_usd), of(ceiling.reserved_usd), said),
    el("span", { class: "amounts" }, el("b", { title: usd(ceiling.spent_usd) }, roughly(ceiling.spent_usd)), ` of ${usd(ceiling.limit_usd)} `, el("span", { class: "hint" }, window)));
}

const reset = (ceiling) => (ceiling.resets_at ? el("time", { datetime: ceiling.resets_at, title: moment(ceiling.resets_at) }, `in ${until(ceiling.resets_at)}`) : "never");

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
        ceiling ? roughly(ceiling.reserved_usd) : "",
        ceiling ? reset(ceiling) : "",
        at ? "" : el("div", { class: "charged" }, spark(amounts, "charges", said), el("span", { class: "amount" }, roughly(charged))),
      ]);
    },
  );
  const left = found.length - Math.min(found.length, MOST);
  say(byId("tenants-more"), left ? `${count(left)} more match; find them by name.` : found.length ? "" : tenants.length ? "No tenant matches." : "There is no tenant yet.");
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
  closeResources();
  if (!chosen) return;
  say(byId("tenant-title"), chosen);
  // At once: whoever goes on meanwhile is not to be called back when the answers are there.
  byId("tenant").focus({ preventScroll: true });
  await Promise.all([showLines(), showResources(chosen)]);
  byId("tenant").scrollIntoView({ block: "nearest" });
}

async function showLines(options) {
  if (!chosen) return;
  const id = chosen;
  const { ceilings } = await get(`v1/tenants/${encodeURIComponent(id)}/spend`, options);
  if (id !== chosen) return;
  keyed(
    byId("lines"),
    ceilings,
    (line) => `${line.scope} ${line.value} ${line.window}`,
    () => el("tr", {}, el("th", { scope: "row" }), el("td"), el("td", { class: "number" }), el("td")),
    (row, line) => cells(row, [line.value ? `${line.scope} ${line.value}` : line.scope, bar(line, line.value || line.scope), usd(line.reserved_usd), reset(line)]),
  );
}

export function startTenants() {
  byId("find-tenant").addEventListener("input", rows);
  byId("tenant-close").addEventListener("click", () => {
    const opener = document.querySelector(".tenants tr.chosen button");
    choose(chosen);
    opener?.focus();
  });
}
