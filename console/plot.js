// Drawings of numbers over time. They repeat what a table beside them says, so that nobody needs them.

import { svg } from "./dom.js";
import { count, minute } from "./format.js";

const HEIGHT = 168;
const EDGE = { top: 10, right: 2, bottom: 20, left: 38 };
/** Narrowest bar with its gap, in pixels. */
const NARROWEST = 4;

/** Sums neighbours so that at most `most` numbers are left. */
export function gathered(numbers, most) {
  const each = Math.max(1, Math.ceil(numbers.length / most));
  const sums = [];
  for (let at = 0; at < numbers.length; at += each) {
    sums.push(numbers.slice(at, at + each).reduce((sum, number) => sum + number, 0));
  }
  return { sums, each };
}

/** The least round number of the form 1, 2, 5 × 10ⁿ (at least 4) that is not below `number`. */
function ceiling(number) {
  if (number <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((top) => top >= number);
}

/**
 * Bars of what was permitted, with what was refused upon them.
 * `series` is what `/v1/series` answers, with `refusedTotal` as one list of all codes together.
 */
export function traffic(series, width, said) {
  const inner = Math.max(40, width - EDGE.left - EDGE.right);
  const steps = Math.max(series.steps, 1);
  const most = Math.floor(inner / NARROWEST);
  const permitted = gathered(padded(series.permitted, steps), most);
  const refused = gathered(padded(series.refusedTotal, steps), most);
  const sums = permitted.sums.map((number, at) => number + refused.sums[at]);
  const top = ceiling(Math.max(...sums, 0));
  const high = HEIGHT - EDGE.top - EDGE.bottom;
  const y = (number) => EDGE.top + high - (number / top) * high;
  const wide = inner / sums.length;
  const from = Date.parse(series.from);
  const step = series.step * permitted.each * 1000;

  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": said });
  for (const part of [0, 0.5, 1]) {
    const at = Math.round(y(top * part)) + 0.5;
    drawing.append(
      svg("line", { class: part ? "grid" : "axis", x1: EDGE.left, x2: width - EDGE.right, y1: at, y2: at }),
      svg("text", { class: "tick", x: EDGE.left - 6, y: at + 3.5, "text-anchor": "end" }, count(top * part)),
    );
  }
  const labels = Math.max(2, Math.min(7, Math.floor(inner / 110)));
  for (let label = 0; label < labels; label += 1) {
    const part = label / (labels - 1);
    const anchor = label === 0 ? "start" : label === labels - 1 ? "end" : "middle";
    const time = from + part * sums.length * step;
    drawing.append(svg("text", { class: "tick", x: EDGE.left + part * inner, y: HEIGHT - 5, "text-anchor": anchor }, minute(time)));
  }
  const began = EDGE.left + (series.missing / steps) * inner;
  if (series.missing && began - EDGE.left > 150) {
    drawing.append(
      svg("line", { class: "began", x1: began, x2: began, y1: EDGE.top, y2: EDGE.top + high }),
      svg("text", { class: "tick", x: began - 8, y: EDGE.top + 14, "text-anchor": "end" }, `counting began ${minute(from + series.missing * series.step * 1000)}`),
    );
  }
  const gap = wide > 3 ? 1 : 0.5;
  sums.forEach((sum, at) => {
    if (!sum) return;
    const x = EDGE.left + at * wide;
    const split = y(permitted.sums[at]);
    const bar = { x: x.toFixed(2), width: Math.max(1, wide - gap).toFixed(2) };
    const column = svg("g", {},
      svg("title", {}, `${minute(from + at * step)}: ${count(permitted.sums[at])} permitted, ${count(refused.sums[at])} refused`));
    if (permitted.sums[at]) column.append(svg("rect", { class: "permitted", ...bar, y: split.toFixed(2), height: (y(0) - split).toFixed(2) }));
    if (refused.sums[at]) column.append(svg("rect", { class: "refused", ...bar, y: y(sum).toFixed(2), height: (split - y(sum)).toFixed(2) }));
    drawing.append(column);
  });
  return drawing;
}

/** The numbers at the right of a list of `length`: what began later has nothing at its beginning. */
export function padded(numbers, length) {
  return [...new Array(Math.max(0, length - numbers.length)).fill(0), ...numbers];
}

/** Small bars in a line. */
export function spark(numbers, kind, said) {
  const { sums } = gathered(numbers, 60);
  const top = Math.max(...sums, 0) || 1;
  const drawing = svg("svg", { class: `spark ${kind}`, viewBox: "0 0 120 20", preserveAspectRatio: "none", ...naming(said) });
  drawing.append(svg("line", { class: "axis", x1: 0, x2: 120, y1: 19.5, y2: 19.5 }));
  const wide = 120 / sums.length;
  sums.forEach((sum, at) => {
    if (!sum) return;
    const high = Math.max(1.5, (sum / top) * 18);
    drawing.append(svg("rect", { x: (at * wide).toFixed(2), width: Math.max(0.8, wide * 0.8).toFixed(2), y: (19 - high).toFixed(2), height: high.toFixed(2) }));
  });
  return drawing;
}

/** A bar of what is spent and, behind it, what is reserved; both as shares of the whole. */
export function meter(spent, reserved, said) {
  const used = Math.min(1, spent);
  const held = Math.min(1 - used, reserved);
  const total = spent + reserved;
  const kind = total >= 0.9995 ? "full" : total >= 0.8 ? "near" : "calm";
  return svg("svg", { class: `meter ${kind}`, viewBox: "0 0 100 6", preserveAspectRatio: "none", ...naming(said) },
    svg("rect", { class: "track", width: 100, height: 6 }),
    svg("rect", { class: "spent", width: (used * 100).toFixed(2), height: 6 }),
    svg("rect", { class: "reserved", x: (used * 100).toFixed(2), width: (held * 100).toFixed(2), height: 6 }));
}

/** A drawing has a name, or is passed over. */
const naming = (said) => (said ? { role: "img", "aria-label": said } : { "aria-hidden": "true" });
