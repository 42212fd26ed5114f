// Requests to the gate's own API.

import { authorization } from "./session.js";

/** An answer that is no success: its status, and the problem's code and text. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `the gate answered ${status}`);
    this.status = status;
    this.code = problem?.code;
    this.body = problem;
  }
}

/** Where the API is: beside this folder, wherever a proxy may have put both. */
export const at = (path) => new URL(`../${path}`, import.meta.url);

/** A path with its query, empty values left out. */
export function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Sends a request and gives the response, or throws [`Refused`]. */
export async function send(path, options = {}) {
  const headers = { accept: "application/json", authorization: authorization(), ...options.headers };
  const response = await fetch(at(path), {
    ...options,
    headers,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
  });
  if (response.ok || options.accepted?.includes(response.status)) return response;
  const problem = await response.json().catch(() => null);
  throw new Refused(response.status, problem);
}

export const get = async (path, options) => (await send(path, options)).json();

export async function post(path, body, options = {}) {
  const response = await send(path, {
    ...options,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });
  return response.json();
}
