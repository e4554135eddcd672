// Numbers, sizes, times and text from logs, as words on the page. No DOM here.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB"];

// The same characters as pipeline/escape.py: controls, what turns the reading direction or breaks lines, lone surrogates.
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu;

/** Text of a log or a file name, with everything spelled out that could make it look like something else. */
export function visible(text) {
  return String(text).replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    if (character in SHORT) return SHORT[character];
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** The beginning of what may be long: the whole stands further down on the page. */
export function beginning(text, most = 160) {
  const letters = [...visible(text)];
  return letters.length <= most ? letters.join("") : `${letters.slice(0, most - 1).join("")}…`;
}

/** A long path, shortened at its beginning: its end tells files apart. */
export function ending(path, most = 72) {
  const letters = [...visible(path)];
  return letters.length <= most ? letters.join("") : `…${letters.slice(1 - most).join("")}`;
}

export const count = (n) => WHOLE.format(n ?? 0);

/** `1 letter`, `1,234 letters`. */
export const many = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;

/** Per second. Below ten a tenth matters: 0.3 a second is not nothing. */
export const rate = (n) => (n > 0 && n < 9.95 ? (n < 0.05 ? "<0.1" : TENTHS.format(n)) : count(n));

export const megabytes = (n) => (n > 0 && n < 5e4 ? "<0.1" : TENTHS.format((n ?? 0) / 1e6));

export const percent = (share) => `${count(Math.min(1, share ?? 0) * 100)}%`;

export function size(bytes) {
  let amount = bytes ?? 0;
  if (amount < 1024) return `${count(amount)} B`;
  let unit = -1;
  do {
    amount /= 1024;
    unit += 1;
  } while (amount >= 1023.95 && unit < UNITS.length - 1);
  return `${(amount < 99.95 ? TENTHS : WHOLE).format(amount)} ${UNITS[unit]}`;
}

/** How long something has lasted: two units at most, as one says it. */
export function lasted(seconds) {
  const s = Math.max(0, seconds ?? 0);
  if (s < 9.95) return `${TENTHS.format(s)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return Math.floor(s) % 60 ? `${minutes} min ${Math.floor(s) % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${count(Math.floor(hours / 24))} d ${hours % 24} h` : `${count(hours / 24)} d`;
}

/** How long something took, where milliseconds matter. */
export function took(seconds) {
  if (seconds === null || seconds === undefined) return "none";
  if (seconds < 0.0995) return `${seconds < 0.00995 ? TENTHS.format(seconds * 1000) : count(seconds * 1000)} ms`;
  return seconds < 9.95 ? `${seconds.toFixed(2)} s` : lasted(seconds);
}

const two = (n) => String(n).padStart(2, "0");

/** `02:14`, or `25 Nov 02:14` if that was not on the day of `now`. */
export function clock(epoch, now = epoch, seconds = false) {
  const at = new Date(epoch * 1000);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}${seconds ? `:${two(at.getSeconds())}` : ""}`;
  const same = at.toDateString() === new Date(now * 1000).toDateString();
  return same ? time : `${two(at.getDate())} ${DAY.format(at).replace(/[^A-Za-z]/g, "")} ${time}`;
}

export const exactly = (epoch, now) => clock(epoch, now, true);

/** `UTC+02:00`. */
export function zone() {
  const minutes = -new Date().getTimezoneOffset();
  const off = Math.abs(minutes);
  return minutes ? `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(off / 60))}:${two(off % 60)}` : "UTC";
}

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
