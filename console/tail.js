// Server-sent events by `fetch`, because an `EventSource` can't send a header.

import { Refused, send } from "./api.js";

/** Pause before the next attempt, in milliseconds: doubled with each one that fails. */
const SHORTEST = 1_000;
const LONGEST = 30_000;
/** Silence after which a connection counts as lost, in milliseconds: the gate shows every 15 s that it lives. */
const SILENCE = 50_000;

/** Events out of a stream of bytes, in the shape that the gate writes: `event` and `data` lines. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const silence = setTimeout(() => reader.cancel().catch(() => {}), SILENCE);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return;
      held += value;
      for (let end = held.indexOf("\n\n"); end >= 0; end = held.indexOf("\n\n")) {
        const event = { name: "message", data: "" };
        for (const line of held.slice(0, end).split("\n")) {
          if (line.startsWith("event: ")) event.name = line.slice(7);
          if (line.startsWith("data: ")) event.data += line.slice(6);
        }
        held = held.slice(end + 2);
        if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * Follows `path` until `signal` says stop, and begins again where it breaks off or can't be read.
 * `told(event)` gets each event; `state(name, error)` hears `live`, `lost` or `refused`.
 */
export async function follow(path, signal, told, state) {
  let pause = SHORTEST;
  while (!signal.aborted) {
    let broken = null;
    try {
      const response = await send(path, { signal, headers: { accept: "text/event-stream" } });
      for await (const event of events(response.body)) {
        if (signal.aborted) return;
        if (event.name === "open") {
          pause = SHORTEST;
          state("live");
        }
        told(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status < 500) {
        state("refused", error);
        return;
      }
      broken = error;
    }
    if (signal.aborted) return;
    state("lost", broken);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, LONGEST);
  }
}
