// The admin token: kept in this tab, sent as a header, forgotten on sign-out. No cookie carries it,
// so no request of another page can.

const KEY = "fabric-gate-admin-token";
let token = sessionStorage.getItem(KEY);

export const signedIn = () => token !== null;

export function remember(given) {
  token = given;
  sessionStorage.setItem(KEY, given);
}

export function forget() {
  token = null;
  sessionStorage.removeItem(KEY);
}

export const authorization = () => `Bearer ${token ?? ""}`;
