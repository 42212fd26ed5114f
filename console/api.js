// Requests to the gate's own API.

import { authorization, ended } from "./session.js";

/** How long an answer is waited for, in milliseconds. */
const PATIENCE = 20_000;

/** An answer that is no success: its status, and the problem's code and text. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `the gate answered ${status}`);
    this.status = status;
    this.code = problem?.code;
    this.body = problem;
  }
}

/** No answer: nobody listens, the connection broke, or it took too long. */
export class Unanswered extends Error {
  constructor() {
    super("the gate does not answer");
  }
}

/** An answer that can't be read. */
export class Unreadable extends Error {
  constructor() {
    super("the answer is not what a gate answers");
  }
}

/** Whether nobody waits for the answer any more. */
export const brokenOff = (error) => error.name === "AbortError";

/** Where the API is: beside this folder, wherever a proxy may have put both. */
export const at = (path) => new URL(`../${path}`, import.meta.url);

/** A path with its query, empty values left out. */
export function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/**
 * Sends a request and gives the response, or throws [`Refused`] or [`Unanswered`]. The document hears
 * `shut-out` when the token is not taken, whoever asked.
 */
export async function send(path, options = {}) {
  const headers = { accept: "application/json", authorization: authorization(), ...options.headers };
  const signal = options.signal ? AbortSignal.any([ended(), options.signal]) : ended();
  const sent = fetch(at(path), {
    ...options,
    signal,
    headers,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
  });
  const response = await sent.catch(rethrow);
  if (response.ok || options.accepted?.includes(response.status)) return response;
  const problem = await response.json().catch(() => null);
  const refused = new Refused(response.status, problem);
  if ([401, 403].includes(refused.status) && !signal.aborted) document.dispatchEvent(new CustomEvent("shut-out", { detail: refused }));
  throw refused;
}

function rethrow(error) {
  if (brokenOff(error)) throw error;
  throw error instanceof SyntaxError ? new Unreadable() : new Unanswered();
}

/** The answer's JSON, waited for with patience. */
async function asked(path, options) {
  const patience = AbortSignal.timeout(PATIENCE);
  const signal = options?.signal ? AbortSignal.any([patience, options.signal]) : patience;
  const response = await send(path, { ...options, signal });
  const answer = await response.json().catch(rethrow);
  if (answer === null || typeof answer !== "object") throw new Unreadable();
  return answer;
}

export const get = asked;

export const post = (path, body) =>
  asked(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });
