// The admin token: kept in this tab, sent as a header, forgotten on sign-out. No cookie carries it,
// so no request of another page can.

const KEY = "fabric-gate-admin-token";
let token = sessionStorage.getItem(KEY);
let ending = new AbortController();

/**
 * Why something is broken off. One made for the occasion would hold on to the stack it was made on, and by it
 * to the elements whose events led there.
 */
export const OVER = new DOMException("nobody waits for it any more", "AbortError");

export const signedIn = () => token !== null;

export function remember(given) {
  token = given;
  sessionStorage.setItem(KEY, given);
}

/** Forgets the token, and breaks off what was asked with it: no answer comes after that. */
export function forget() {
  token = null;
  sessionStorage.removeItem(KEY);
  ending.abort(OVER);
  ending = new AbortController();
}

/** Aborted when the token is forgotten. */
export const ended = () => ending.signal;

export const authorization = () => `Bearer ${token ?? ""}`;
