// Numbers, amounts and times as people read them.

const COUNT = new Intl.NumberFormat("en");
const SHARE = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** `12345` as `12,345`. */
export const count = (number) => COUNT.format(number);

/** A share of one as percent. */
export const share = (part, whole) => SHARE.format(whole > 0 ? part / whole : 0);

/** A decimal amount of the API, exactly as it is but for needless zeros: `$1,234.56`. */
export function usd(text) {
  if (text === null || text === undefined) return "";
  const negative = text.startsWith("-");
  const [whole, fraction = ""] = text.replace(/^-/, "").split(".");
  const kept = fraction.replace(/0+$/, "").padEnd(2, "0");
  return `${negative ? "−" : ""}$${COUNT.format(BigInt(whole))}.${kept}`;
}

/** An amount for a glance: two digits behind the point, below a dollar up to four. */
export function roughly(text) {
  const amount = Number(text);
  const most = Math.abs(amount) < 1 ? 4 : 2;
  return `$${amount.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: most })}`;
}

/** Time of day of an RFC 3339 text, in the reader's zone. */
export const clock = (text) =>
  new Date(text).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The same without seconds. */
export const minute = (time) =>
  new Date(time).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** Day and time. */
export const moment = (text) =>
  new Date(text).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** The time of day of a `Date`, with the day where that is another one. */
export const when = (date) => {
  const text = date.toISOString();
  return date.toDateString() === new Date().toDateString() ? clock(text) : moment(text);
};

/** `90` seconds as `1 min 30 s`, the two largest units. */
export function lasting(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const parts = [];
  let rest = Math.max(0, Math.floor(seconds));
  for (const [name, size] of units) {
    if (rest >= size && parts.length < 2) parts.push(`${Math.floor(rest / size)} ${name}`);
    if (parts.length < 2) rest %= size;
  }
  return parts.join(" ") || "0 s";
}

/** How long until a time. */
export const until = (text) => lasting((Date.parse(text) - Date.now()) / 1000);

/** How long since a time. */
export const since = (text) => lasting((Date.now() - Date.parse(text)) / 1000);

/** The beginning of a long digest. */
export const short = (text) => (text.length > 14 ? `${text.slice(0, 12)}…` : text);
