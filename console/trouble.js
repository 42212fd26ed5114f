// What could not be fetched is said where it would stand, with a way to try again.

import { Refused, Unanswered, Unreadable } from "./api.js";
import { byId, el, say } from "./dom.js";

/** What went wrong, in words. An answer of another shape than expected fails where it is shown. */
export function reason(error) {
  if (error instanceof Refused) return error.message.includes(error.status) ? error.message : `${error.message} (${error.status})`;
  if (error instanceof Unanswered || error instanceof Unreadable) return error.message;
  return new Unreadable().message;
}

/**
 * Says `text` in the place with this id, with a button that calls `again`. What is said already
 * stays untouched, so that it is read out once.
 */
export function trouble(id, text, again) {
  const place = byId(id);
  if (place.firstChild) {
    say(place.firstChild, text);
    return;
  }
  const said = el("p", {}, text);
  const retry = async () => {
    say(said, "Trying again…");
    await again();
  };
  place.append(said, again ? el("button", { class: "small", type: "button", onclick: retry }, "Try again") : "");
}

/** Takes away what was said. Focus that was on its button goes to the part of the page around it. */
export function noTrouble(id) {
  const place = byId(id);
  if (!place.firstChild) return;
  const around = place.contains(document.activeElement) && place.closest("[tabindex='-1']");
  place.replaceChildren();
  if (around) around.focus({ preventScroll: true });
}

/** Marks a part of the page as from this time, or as what stands at present. */
export function from(part, time) {
  // The heading too: a style shows it there.
  for (const element of [part, part.querySelector("h2, h3")]) {
    if (time) element.dataset.old = time;
    else delete element.dataset.old;
  }
}
