// Audit records as they come, with filters; the newest first.

import { Refused, brokenOff, get, query } from "./api.js";
import { byId, cells, el, keyed, say } from "./dom.js";
import { clock, count, roughly, usd, when } from "./format.js";
import { closeRecord, openRecord, shownRecord } from "./record.js";
import { OVER } from "./session.js";
import { follow } from "./tail.js";
import { from, noTrouble, reason, trouble } from "./trouble.js";

/** Most rows that are kept. */
const MOST = 200;
const FIELDS = ["tenant", "route", "reason", "decision"];
let rows = [];
let waiting = [];
let drawn = 0;
let paused = false;
let following = null;
let gaps = 0;
/** Whether the records from before are there. */
let read = false;
/** Since when no records come. */
let lost = null;

export function filters() {
  const form = byId("filters");
  return Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value.trim()]));
}

/** Begins anew with the filters as they are: what is there, then what comes. */
export function startTail() {
  following?.abort(OVER);
  following = new AbortController();
  const { signal } = following;
  const asked = filters();
  rows = [];
  waiting = [];
  read = false;
  draw();
  say(byId("filters-problem"), "");
  noTrouble("audit-trouble");
  const told = ({ name, data }) => {
    if (name === "open") past(asked, signal);
    if (name === "record") add(data);
    if (name === "gap") add({ gap: data.missed });
  };
  follow(query("v1/audit/tail", asked), signal, told, tailState);
}

function tailState(now, error) {
  const element = byId("tail-state");
  // A gate that answers says why it does not let this page follow.
  const why = error instanceof Refused ? `: ${reason(error)}` : "";
  say(element, { live: "Live", lost: `Connection lost, trying again${why}`, refused: "Refused" }[now]);
  element.dataset.state = now === "live" ? "good" : "bad";
  if (now !== "lost") lost = null;
  else lost ??= when(new Date());
  from(byId("audit"), lost);
  if (now === "refused") say(byId("filters-problem"), error.message);
}

export function stopTail() {
  following?.abort(OVER);
}

/** The records from before. Those that came meanwhile are in both; their hash tells. */
async function past(asked, signal) {
  try {
    const page = await get(query("v1/audit", { ...asked, limit: "100" }), { signal });
    const known = new Set(rows.map(keyOf));
    const others = page.records.filter((record) => !known.has(keyOf(record)));
    // After a lost connection some of them are newer than what is shown.
    const newest = rows.reduce((latest, row) => (row.ts > latest ? row.ts : latest), "");
    rows = [...others.filter((record) => record.ts > newest), ...rows, ...others.filter((record) => record.ts <= newest)].slice(0, MOST);
    suggest(page.records);
    read = true;
    draw();
    noTrouble("audit-trouble");
  } catch (error) {
    if (signal.aborted || brokenOff(error)) return;
    trouble("audit-trouble", `The records from before are not to be had: ${reason(error)}.`, () => past(asked, signal));
  }
}

const keyOf = (row) => row.hash ?? row.key;

function add(row) {
  if (row.gap) {
    gaps += 1;
    row.key = `gap ${gaps}`;
  }
  waiting.push(row);
  // While nobody looks no frame is drawn; what would go unseen anyway is not kept.
  if (waiting.length > MOST) waiting.splice(0, waiting.length - MOST);
  if (!paused && !drawn) {
    drawn = requestAnimationFrame(() => {
      drawn = 0;
      take();
    });
  }
}

function take() {
  const known = new Set(rows.map(keyOf));
  const fresh = waiting.filter((row) => !known.has(keyOf(row))).reverse();
  waiting = [];
  rows = fresh.concat(rows).slice(0, MOST);
  suggest(fresh);
  draw();
}

function suggest(records) {
  for (const [id, field] of [["known-routes", "route"], ["known-reasons", "reason"], ["known-tenants", "tenant_id"]]) {
    const list = byId(id);
    const known = new Set([...list.children].map((option) => option.value));
    for (const record of records) {
      const value = record[field];
      if (value && !known.has(value) && known.size < 100) {
        known.add(value);
        list.append(el("option", { value }));
      }
    }
  }
}

function draw() {
  byId("records-none").hidden = !read || rows.length > 0;
  say(byId("records-none"), Object.values(filters()).some(Boolean) ? "No record matches." : "There is no record yet.");
  keyed(byId("records"), rows, keyOf, make, update);
}

function make(row) {
  if (row.gap) return el("tr", { class: "gap" }, el("td", { colspan: 9 }));
  return el("tr", {},
    el("th", { scope: "row" }, el("button", { class: "link", type: "button", "aria-controls": "record" })),
    el("td"), el("td", { class: "status" }), el("td"), el("td"), el("td"), el("td", { class: "code" }), el("td", { class: "code" }), el("td", { class: "number" }));
}

function update(tr, row) {
  if (row.gap) {
    say(tr.firstChild, `${count(row.gap)} ${row.gap === 1 ? "record" : "records"} came faster than this page could read. They are in the log.`);
    return;
  }
  const chosen = shownRecord() === row.hash;
  tr.classList.toggle("chosen", chosen);
  const button = tr.firstChild.firstChild;
  button.setAttribute("aria-expanded", String(chosen));
  if (tr.dataset.seq) return;
  tr.dataset.seq = row.seq;
  say(button, clock(row.ts));
  button.setAttribute("aria-label", `${clock(row.ts)}, record ${row.seq}`);
  button.addEventListener("click", () => toggle(row));
  const event = row.kind !== "request";
  const decision = event ? el("span", { class: "tag" }, row.kind.replaceAll("_", " ")) : el("span", { class: `decision ${row.decision}` }, row.decision);
  cells(tr, [
    undefined,
    decision,
    row.status ? String(row.status) : "",
    row.reason ?? "",
    row.tenant_id ?? row.tenant ?? "",
    row.user_id ?? "",
    event ? "" : `${row.method} ${row.path}`,
    row.route ?? "",
    row.cost_usd ? roughly(row.cost_usd) : "",
  ]);
  // A cell shows the beginning of what is long.
  for (const cell of tr.children) if (cell.textContent.length > 16) cell.title = cell.textContent;
  if (row.cost_usd) tr.lastChild.title = usd(row.cost_usd);
}

async function toggle(row) {
  if (shownRecord() === row.hash) closeRecord();
  else await openRecord(row);
  draw();
}

export function startAudit() {
  rows = [];
  waiting = [];
  paused = false;
  lost = null;
  closeRecord();
  byId("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    startTail();
  });
  byId("filters").addEventListener("reset", () => setTimeout(startTail));
  byId("filters").elements.decision.addEventListener("change", startTail);
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
    say(byId("pause"), paused ? "Go on" : "Pause");
    if (!paused) take();
  });
  byId("record-close").addEventListener("click", () => {
    const opener = document.querySelector(".records tr.chosen button");
    closeRecord();
    draw();
    opener?.focus();
  });
}
