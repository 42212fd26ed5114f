// The line at the top: what the panels say in one figure each.

import { byId, el, keyed, say } from "./dom.js";
import { count, share, short } from "./format.js";

const UNKNOWN = ["–", "not known", ""];

const FIGURES = [
  ["State", "health", ({ ready, failing, refused }) => [
    ready ? "Ready" : "Not ready",
    failing ? `${failing} failing` : refused ? "last reload refused" : "all parts well",
    ready ? (refused ? "warn" : "good") : "bad",
  ]],
  ["Policy", "policy", ({ revision, files, last_error }) => [
    short(revision),
    `${files.length} ${files.length === 1 ? "file" : "files"}`,
    last_error ? "warn" : "",
  ]],
  ["Requests", "traffic", ({ permitted, refused, minute }) => [count(permitted + refused), `${count(minute)} in the last minute`, ""]],
  ["Refused", "traffic", ({ permitted, refused }) => [share(refused, permitted + refused), `${count(refused)} of ${count(permitted + refused)}`, ""]],
  ["Near a ceiling", "tenants", ({ near, all }) => [count(near), `of ${count(all)} ${all === 1 ? "tenant" : "tenants"}`, near ? "warn" : ""]],
  ["Open streams", "streams", (open) => [count(open), "at present", ""]],
];

/** Shows what each panel said last; `old(panel)` tells whether that was not said just now. */
export function showFigures(said, old) {
  keyed(
    byId("figures"),
    FIGURES,
    ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd", { class: "figure" }), el("dd", { class: "note" })),
    (row, [, panel, show]) => {
      const [figure, note, state] = said.has(panel) ? show(said.get(panel)) : UNKNOWN;
      row.dataset.state = state;
      row.classList.toggle("old", old(panel));
      say(row.children[1], figure);
      row.children[1].title = figure;
      say(row.children[2], note);
    },
  );
}
