// Texts of models, handlers and users are hostile: this module makes them fit to be shown, as text and nothing else.
import { html } from "../vendor/htm-preact.js";

const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)|[PX^_][^\u001b]{0,4096}\u001b\\|[@-Z\\-_])/g;
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udc7f]/g;

function symbol(character) {
  const code = character.codePointAt(0);
  if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
  return `\u2039U+${code.toString(16).toUpperCase().padStart(4, "0")}\u203a`;
}

/** The text without terminal codes, and with a symbol for each character that would not be seen. */
export function clean(value) {
  const text = typeof value === "string" ? value : value === null || value === undefined ? "" : String(value);
  return text.replace(/\r\n/g, "\n").replace(ANSI, "").replace(INVISIBLE, symbol);
}

/** A text of others within a line: it cannot change the direction of what is around it. */
export function Text({ of, className }) {
  return html`<bdi class=${className}>${clean(of)}</bdi>`;
}

/** The first line, cut to a length. */
export function short(value, most = 160) {
  const line = clean(value).trimStart().split("\n", 1)[0];
  return line.length > most ? `${line.slice(0, most - 1)}\u2026` : line;
}

/** Any JSON as text: a string as it is, the rest indented. */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "";
}

export const SHOWN = 256 * 1024;

/** A long text of others, at most `SHOWN` characters of it. */
export function Block({ value, label, className = "" }) {
  const text = pretty(value);
  const shown = text.length > SHOWN ? text.slice(0, SHOWN) : text;
  return html`<pre class=${`block ${className}`} tabindex="0" role="region" aria-label=${label}><bdi>${clean(shown)}</bdi>${
    text.length > SHOWN && `\n\u2026 ${bytes(text.length - SHOWN)} more`
  }</pre>`;
}

/** A text of which the server has sent the beginning: `{"text", "bytes", "truncated"}`; `download` is the URL of all of it. */
export function Told({ told, label, download, className }) {
  return html`<${Block} value=${told.text} label=${label} className=${className} />
    ${told.truncated ? html`<p class="muted">The beginning of ${bytes(told.bytes)}.${download && html` <a href=${download} download>Download all of it</a>`}</p>` : null}`;
}

const UNITS = ["B", "kB", "MB", "GB"];

export function bytes(count) {
  let unit = 0;
  while (count >= 1000 && unit < UNITS.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${unit && count < 10 ? count.toFixed(1) : Math.round(count)} ${UNITS[unit]}`;
}

export function number(count) {
  return count === null || count === undefined ? "\u2013" : Number(count).toLocaleString("en");
}

/** Seconds as people say them: 0.24 s, 12.3 s, 4 min 05 s, 3 h 20 min, 2 d 4 h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "\u2013";
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const pad = (value) => String(Math.floor(value)).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${pad((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function millis(at) {
  return at ? Date.parse(at) : NaN;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

/** A moment in the reader's time zone, with the day if it is not today. */
export function Moment({ at, fraction = false }) {
  const date = new Date(at);
  if (!at || Number.isNaN(date.getTime())) return html`<span class="muted">${"\u2013"}</span>`;
  const today = new Date().toDateString() === date.toDateString();
  const part = fraction ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "";
  return html`<time datetime=${at} title=${FULL.format(date)}>${today ? "" : `${DAY.format(date)} `}${CLOCK.format(date)}${part}</time>`;
}
