// Health, part by part, and the policy in force with what was wrong at the last reload.

import { Refused, Unreadable, brokenOff, get, post } from "./api.js";
import { byId, el, keyed, say } from "./dom.js";
import { count, moment, since } from "./format.js";
import { reason } from "./trouble.js";

const PARTS = {
  policies: ["Policies", (check) => (check.last_error ? "last reload refused" : "in force")],
  keys: ["Keys", (check) => issuers(check.issuers)],
  state: ["State", (check) => `${count(check.owners_in_memory ?? 0)} owners in memory`],
  ledger: ["Ledger", () => "writable"],
  listener: ["Listener", (check) => (check.ok ? "listening" : "not listening")],
  audit: ["Audit log", (check) => `${count(check.written ?? 0)} written, ${count(check.lost ?? 0)} lost`],
};

export async function refreshHealth() {
  const ready = await get("readyz", { accepted: [503] });
  showChecks(ready);
  const failing = Object.values(ready.checks).filter((check) => !check.ok).length;
  return { ready: ready.ready, failing, refused: Boolean(ready.checks.policies?.last_error) };
}

export async function refreshPolicy() {
  const policy = await get("v1/policy");
  showPolicy(policy);
  return policy;
}

function issuers(list = []) {
  if (!list.length) return "no issuer configured";
  const bad = list.filter((issuer) => !issuer.ok);
  if (bad.length) return `${bad.map((issuer) => `${issuer.issuer}: ${issuer.state}`).join(", ")}`;
  const keys = list.reduce((sum, issuer) => sum + issuer.keys, 0);
  return `${count(keys)} of ${list.length === 1 ? list[0].issuer : `${list.length} issuers`}`;
}

function showChecks(ready) {
  const checks = Object.entries(ready.checks);
  const state = byId("health-state");
  say(state, ready.ready ? "Ready" : "Not ready");
  state.dataset.state = ready.ready ? "good" : "bad";
  keyed(
    byId("checks"),
    checks,
    ([name]) => name,
    () => el("li", {}, el("span", { class: "dot", "aria-hidden": "true" }), el("span", { class: "what" }), el("span", { class: "verdict" }), el("span", { class: "note" })),
    (row, [name, check]) => {
      const [label, note] = PARTS[name] ?? [name, () => ""];
      const troubled = check.ok && check.last_error;
      row.dataset.state = check.ok ? (troubled ? "warn" : "good") : "bad";
      say(row.children[1], label);
      say(row.children[2], check.ok ? "OK" : "Failing");
      say(row.children[3], note(check));
    },
  );
}

function showPolicy(policy) {
  const reloads = policy.reloads;
  const facts = [
    ["Revision", policy.revision],
    ["In force since", `${moment(policy.loaded_at)} (${since(policy.loaded_at)})`],
    ["Directory", policy.directory],
    ["Files", policy.files.join(", ") || "none"],
    ["Reloads", `${count(reloads.changed)} taken, ${count(reloads.rejected)} refused`],
  ];
  keyed(
    byId("policy-facts"),
    facts,
    ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd", name === "Revision" ? { class: "code" } : {})),
    (row, [, value]) => say(row.children[1], value),
  );
  showProblems(policy.last_error);
}

function showProblems(error) {
  const place = byId("policy-problems");
  const key = error ? error.at : "";
  if (place.dataset.at === key) return;
  place.dataset.at = key;
  place.replaceChildren();
  if (!error) return;
  const problems = listed(error.problems);
  place.append(
    el("h3", { class: "bad" }, `The reload at ${moment(error.at)} was refused: ${problems.length} ${problems.length === 1 ? "problem" : "problems"}. The policy before it stays in force.`),
    el("ol", { class: "problems" }, problems.map((problem) => el("li", {},
      el("span", { class: "code where" }, where(problem)),
      el("span", {}, problem.message ?? String(problem)),
      problem.suggestion ? el("span", { class: "hint" }, `Did you mean ${problem.suggestion}?`) : null))),
  );
}

const listed = (problems) => (Array.isArray(problems) ? problems : problems?.problems ?? []);

function where(problem) {
  const file = problem.file?.split("/").pop();
  const line = [file, problem.line, problem.column].filter(Boolean).join(":");
  return [line, problem.key ?? problem.at].filter(Boolean).join("  ");
}

export function startHealth(refresh) {
  const button = byId("reload");
  button.addEventListener("click", async () => {
    button.disabled = true;
    say(byId("reload-said"), "Reading the policies…");
    try {
      const done = await post("v1/policy/reload");
      if (!done.result) throw new Unreadable();
      say(byId("reload-said"), done.result === "changed" ? `A new revision is in force: ${done.revision}` : "The policies are as they were.");
    } catch (error) {
      if (brokenOff(error)) return;
      const rejected = error instanceof Refused && error.status === 422;
      say(byId("reload-said"), rejected ? "Refused. The policy in force stays." : `Not reloaded: ${reason(error)}.`);
    }
    button.disabled = false;
    if (document.activeElement === document.body) button.focus();
    await refresh();
  });
}
