// One record in full, and how it stands in the chain.

import { Refused, brokenOff, get, query } from "./api.js";
import { byId, el, fill, keyed, say } from "./dom.js";
import { count } from "./format.js";
import { noTrouble, reason, trouble } from "./trouble.js";

let shown = null;

/** The hash of the record that is shown. */
export const shownRecord = () => shown;

const STATES = {
  verified: "Verified in the chain",
  chained: "In the chain, not yet under a checkpoint",
  broken: "Broken",
};

export async function openRecord(row) {
  shown = row.hash;
  byId("record").hidden = false;
  say(byId("record-title"), `Record ${count(row.seq)}`);
  facts(row);
  byId("record").focus({ preventScroll: true });
  byId("record").scrollIntoView({ block: "nearest" });
  noTrouble("record-trouble");
  await check(row);
}

/** Asks for the record as it stands in the log. */
async function check(row) {
  byId("record-chain").replaceChildren(el("p", { class: "hint" }, "Checking…"));
  try {
    const found = await get(query(`v1/audit/${row.seq}`, { hash: row.hash }));
    if (shown !== row.hash) return;
    facts(found.record);
    chain(found.chain, found.record);
    noTrouble("record-trouble");
  } catch (error) {
    if (shown !== row.hash || brokenOff(error)) return;
    const gone = error instanceof Refused && error.status === 404;
    byId("record-chain").replaceChildren(gone ? el("p", { class: "state", "data-state": "bad" }, "The log does not have it as it was shown") : "");
    trouble("record-trouble", gone ? "What stands here came with the list." : `Not checked: ${reason(error)}. What stands here came with the list.`, () => check(row));
  }
}

export function closeRecord() {
  shown = null;
  byId("record-facts").replaceChildren();
  byId("record").hidden = true;
}

function chain(place, record) {
  const mark = (holds, yes, no, unknown) => el("li", { "data-state": holds === null ? "none" : holds ? "good" : "bad" }, holds === null ? unknown : holds ? yes : no);
  fill(byId("record-chain"), el("div", {},
    el("p", { class: "state", "data-state": { verified: "good", chained: "none", broken: "bad" }[place.state] }, STATES[place.state] ?? place.state),
    place.problem ? el("p", { class: "problem" }, place.problem) : null,
    el("ul", { class: "links" },
      mark(place.sealed, "Its bytes give its hash", "Its bytes do not give its hash"),
      mark(place.continues, `It holds the hash of record ${count(record.seq - 1)}`, "It does not hold the hash of the record before", "The record before is not in the log any more"),
      mark(place.continued, `Record ${count(record.seq + 1)} holds its hash`, "The record after it does not hold its hash", "It is the last record"),
      mark(place.checkpoint === null ? null : true, `Signed for at record ${count(place.checkpoint ?? 0)}`, "", "No signed checkpoint behind it yet")),
  ));
}

function facts(record) {
  const value = (it) => (it === null ? "none" : typeof it === "object" ? (Array.isArray(it) && !it.length ? "none" : JSON.stringify(it)) : String(it));
  keyed(
    byId("record-facts"),
    Object.entries(record),
    ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd", { class: "code" })),
    (row, [, it]) => {
      row.classList.toggle("empty", it === null || (Array.isArray(it) && !it.length));
      say(row.children[1], value(it));
    },
  );
}
