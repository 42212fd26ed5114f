// Ceilings: how far each is reached, and every line of one tenant under its own.

import { brokenOff, get } from "./api.js";
import { byId, cells, el, keyed } from "./dom.js";
import { moment, roughly, until, usd, when } from "./format.js";
import { meter } from "./plot.js";
import { from, noTrouble, reason, trouble } from "./trouble.js";

const WINDOWS = { minute: "a minute", hour: "an hour", day: "a day", week: "a week", month: "a month", total: "in all" };
/** Whose lines are shown. */
let whose = null;
/** When they were as they are shown. */
let shownAt = null;

/** What is spent and reserved, as a share of the limit. */
export const used = (ceiling) => {
  const limit = Number(ceiling.limit_usd);
  const held = Number(ceiling.spent_usd) + Number(ceiling.reserved_usd);
  return limit > 0 ? held / limit : 1;
};

/** A ceiling's bar and the amounts beside it. */
export function bar(ceiling, owner) {
  const limit = Number(ceiling.limit_usd);
  const of = (amount) => (limit > 0 ? Number(amount) / limit : 1);
  const window = WINDOWS[ceiling.window] ?? ceiling.window;
  const said = `${owner}: ${usd(ceiling.spent_usd)} spent and ${usd(ceiling.reserved_usd)} reserved of ${usd(ceiling.limit_usd)} ${window}`;
  return el("div", { class: "ceiling" },
    meter(of(ceiling.spent_usd), of(ceiling.reserved_usd), said),
    el("span", { class: "amounts" }, el("b", { title: usd(ceiling.spent_usd) }, roughly(ceiling.spent_usd)), ` of ${usd(ceiling.limit_usd)} `, el("span", { class: "hint" }, window)));
}

/** When a ceiling's window begins anew. */
export const reset = (ceiling) => (ceiling.resets_at ? el("time", { datetime: ceiling.resets_at, title: moment(ceiling.resets_at) }, `in ${until(ceiling.resets_at)}`) : "never");

/** Shows the lines of this tenant from here on. */
export async function showLines(tenant) {
  closeLines();
  whose = tenant;
  await refreshLines();
}

export function closeLines() {
  whose = null;
  shownAt = null;
  byId("lines").replaceChildren();
  from(byId("tenant"), null);
  noTrouble("lines-trouble");
}

/** Looks at the lines again, if there are any to look at. */
export async function refreshLines() {
  if (!whose) return;
  const tenant = whose;
  try {
    const { ceilings } = await get(`v1/tenants/${encodeURIComponent(tenant)}/spend`);
    if (tenant !== whose) return;
    draw(ceilings);
    shownAt = new Date();
    from(byId("tenant"), null);
    noTrouble("lines-trouble");
  } catch (error) {
    if (tenant !== whose || brokenOff(error)) return;
    const last = shownAt && when(shownAt);
    from(byId("tenant"), last);
    trouble("lines-trouble", `Its ceilings are not to be had: ${reason(error)}.${last ? ` What stands here is from ${last}.` : ""}`, refreshLines);
  }
}

function draw(ceilings) {
  if (!ceilings.length) {
    byId("lines").replaceChildren(el("tr", {}, el("td", { colspan: 4, class: "none" }, "No ceiling applies to it.")));
    return;
  }
  keyed(
    byId("lines"),
    ceilings,
    (line) => `${line.scope} ${line.value} ${line.window}`,
    () => el("tr", {}, el("th", { scope: "row" }), el("td"), el("td", { class: "number" }), el("td")),
    (row, line) => cells(row, [line.value ? `${line.scope} ${line.value}` : line.scope, bar(line, line.value || line.scope), usd(line.reserved_usd), reset(line)]),
  );
}
