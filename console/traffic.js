// Requests and denials by reason over time.

import { get } from "./api.js";
import { byId, cells, el, keyed, say } from "./dom.js";
import { count, share } from "./format.js";
import { padded, spark, traffic } from "./plot.js";

const STEPS = { hour: 360, day: 1440 };
const SPANS = { hour: "the last hour", day: "the last day" };
let shown = null;

export const span = () => document.querySelector("input[name=window]:checked").value;

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

export async function refreshTraffic() {
  const window = span();
  const answer = await get(`v1/series?window=${window}`);
  const steps = STEPS[window];
  const missing = steps - answer.permitted.length;
  const refused = Object.entries(answer.refused);
  const refusedTotal = answer.permitted.map((_, at) => sum(refused.map(([, counts]) => counts[at] ?? 0)));
  shown = {
    window,
    steps,
    missing,
    step: answer.step_seconds,
    from: new Date(Date.parse(answer.from) - missing * answer.step_seconds * 1000).toISOString(),
    permitted: answer.permitted,
    refused,
    refusedTotal,
  };
  draw();
  rows();
  return { permitted: sum(answer.permitted), refused: sum(refusedTotal), minute: lastMinute(answer, refusedTotal) };
}

/** Requests of the newest whole minute, or of what there is of one. */
function lastMinute(answer, refusedTotal) {
  const steps = Math.max(1, Math.round(60 / answer.step_seconds));
  return sum(answer.permitted.slice(-steps)) + sum(refusedTotal.slice(-steps));
}

function draw() {
  const place = byId("traffic-plot");
  if (!shown || !place.clientWidth) return;
  const permitted = sum(shown.permitted);
  const refused = sum(shown.refusedTotal);
  const said = `Requests over ${SPANS[shown.window]}: ${count(permitted)} permitted, ${count(refused)} refused. The table below has them by reason.`;
  place.replaceChildren(traffic(shown, place.clientWidth, said));
}

function rows() {
  const all = sum(shown.permitted) + sum(shown.refusedTotal);
  const refused = shown.refused
    .map(([code, counts]) => ({ code, counts, total: sum(counts), kind: "refused" }))
    .sort((one, other) => other.total - one.total || (one.code < other.code ? -1 : 1));
  const items = [{ code: "permitted", counts: shown.permitted, total: sum(shown.permitted), kind: "permitted" }, ...refused];
  keyed(
    byId("reasons"),
    items,
    (item) => item.code,
    (item) => el("tr", { class: item.kind }, el("th", { scope: "row" }, el("span", { class: "key", "aria-hidden": "true" }), el("span", {}, item.code)), el("td", { class: "wide" }), el("td", { class: "number" }), el("td", { class: "number" })),
    (row, item) => {
      cells(row, [undefined, spark(padded(item.counts, shown.steps), item.kind), count(item.total), share(item.total, all)]);
    },
  );
}

export function startTraffic(refresh) {
  shown = null;
  for (const radio of document.querySelectorAll("input[name=window]")) radio.addEventListener("change", refresh);
  new ResizeObserver(draw).observe(byId("traffic-plot"));
}
