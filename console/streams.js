// The answers that go on.

import { get } from "./api.js";
import { byId, cells, el, keyed, say } from "./dom.js";
import { count, moment, since } from "./format.js";

export async function refreshStreams() {
  const answer = await get("v1/streams");
  const hidden = answer.open - answer.streams.length;
  say(byId("streams-number"), hidden > 0 ? `${count(answer.open)} open, the oldest ${count(answer.streams.length)} shown` : `${count(answer.open)} open`);
  byId("streams-none").hidden = answer.open > 0;
  keyed(
    byId("stream-rows"),
    answer.streams,
    (stream) => stream.request_id,
    () => el("tr", {}, el("th", { scope: "row" }), el("td"), el("td", { class: "code" }), el("td", { class: "number" })),
    (row, stream) => cells(row, [stream.tenant ?? "nobody", stream.user ?? "", stream.route, el("time", { datetime: stream.since, title: moment(stream.since) }, since(stream.since))]),
  );
  return answer.open;
}
