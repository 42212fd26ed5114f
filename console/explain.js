// What would be decided about a request, and why.

import { Refused, Unreadable, brokenOff, post } from "./api.js";
import { byId, el, fill } from "./dom.js";
import { moment, usd } from "./format.js";
import { reason } from "./trouble.js";

const OWNERS = { caller: "the caller's own", another: "another's", nobody: "nobody's" };

/** How many requests were asked about: only the newest answer is shown. */
let asked = 0;

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/** The request of the form, as `/v1/explain` takes it. */
function described(form) {
  const { method, path, tenant, user, roles, headers, body } = Object.fromEntries(new FormData(form));
  const given = [];
  for (const line of headers.split("\n").filter((line) => line.trim())) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`\`${line}\` is no header: name, colon, value`);
    given.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  const request = { method, path };
  if (body.trim()) {
    // As it is written: a name that stands twice and a number that is too long are what is asked about.
    request.body = body;
    if (isJson(body) && !given.some(([name]) => name.toLowerCase() === "content-type")) given.push(["content-type", "application/json"]);
  }
  const names = [...new Set(given.map(([name]) => name))];
  request.headers = Object.fromEntries(names.map((name) => [name, given.filter(([other]) => other === name).map(([, value]) => value)]));
  if (tenant.trim()) request.as = { tenant: tenant.trim(), user: user.trim() || "somebody", roles: words(roles), scopes: [], kind: "user" };
  return request;
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const facts = (rows) => el("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));

function explained(answer) {
  if (!answer.decision) throw new Unreadable();
  const permitted = answer.decision === "permit";
  const caller = answer.principal;
  const route = answer.route;
  return el("div", { class: "explained" },
    el("p", { class: "outcome" }, el("span", { class: `decision ${answer.decision}` }, answer.decision), answer.code ? ` ${answer.status ?? ""} ${answer.code}` : permitted ? "" : ` ${answer.status ?? ""}`),
    answer.detail ? el("p", {}, answer.detail) : null,
    facts([
      ["Route", route && `${route.name} → ${route.upstream}`],
      ["Path", route?.path],
      ...(answer.near ?? []).map((it) => [`Nearly ${it.name}`, it.why]),
      ["Caller", caller && [caller.tenant, caller.user, (caller.roles ?? []).join(", "), caller.auth_method].filter(Boolean).join(" · ")],
      ["Tenant from", answer.tenant_from],
      ["Declares tenant", answer.declared_tenant],
      ["Asks for roles", answer.roles_asked?.join(", ")],
      ["Asks for scopes", answer.scopes_asked?.join(", ")],
      ["Rule", typeof answer.rule === "object" ? answer.rule?.name : answer.rule],
      ["Would deny", (answer.would_deny ?? []).map((rule) => rule.name ?? rule).join(", ")],
      ["Model", typeof answer.model === "object" ? answer.model?.name : answer.model],
      ["Tool", answer.tool],
      ["Price", answer.price],
      ["Would reserve", answer.reserve_usd && usd(answer.reserve_usd)],
      ...(answer.resources ?? []).map((it) => [`${it.kind} ${it.id}`, `${OWNERS[it.owner] ?? it.owner}${it.claims ? "; sending the request claims it" : ""}`]),
      ...(answer.limits ?? []).map((limit) => ["Limit", limit]),
      ...(answer.ceilings ?? []).map((it) => [`Ceiling: ${it.scope} ${it.value ?? ""}`.trim(), `${usd(it.spent_usd)} of ${usd(it.limit_usd)} (${it.window}), ${usd(it.reserved_usd)} reserved${it.resets_at ? `, until ${moment(it.resets_at)}` : ""}`]),
      ["Backend gets", answer.backend && `${answer.backend.method} ${answer.backend.target}`],
      ["Goes no further", answer.backend?.stripped?.join(", ")],
      ["Body changed at", answer.backend?.body_changed_at?.join(", ")],
      ["Not asked", answer.not_asked?.join("; ")],
    ]),
    answer.steps?.length ? el("ol", { class: "steps" }, answer.steps.map((step) => el("li", { "data-state": { passed: "good", refused: "bad" }[step.outcome] ?? "none" }, el("b", {}, step.step), ` ${step.outcome}`, step.says ? el("span", { class: "hint" }, ` ${step.says}`) : null))) : null,
    answer.backend?.headers?.length ? el("details", {}, el("summary", {}, "Headers that the backend gets"), el("dl", { class: "facts" }, answer.backend.headers.map(([name, value]) => el("div", {}, el("dt", { class: "code" }, name), el("dd", { class: "code" }, value))))) : null,
  );
}

export function startExplain() {
  byId("explain-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const place = byId("explained");
    const mine = (asked += 1);
    const show = (what) => {
      if (mine === asked) fill(place, what);
    };
    const problem = (text) => show(el("p", { class: "problem" }, text));
    let request;
    try {
      request = described(event.target);
    } catch (error) {
      problem(error.message);
      return;
    }
    try {
      show(explained(await post("v1/explain", request)));
    } catch (error) {
      if (brokenOff(error)) return;
      const unable = error instanceof Refused && [404, 405].includes(error.status) && error.code !== "request_rejected";
      const refused = error instanceof Refused && error.status < 500;
      problem(unable ? "This build of the gate can't explain decisions." : refused ? error.message : `Not explained: ${reason(error)}. Press Explain to try again.`);
    }
  });
}
