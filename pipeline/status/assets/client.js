// The page's side of the status API: one request at a time, the token, and what is known of the connection.

const KEY = "tailrace.token";
const PATIENCE = 8000; // ms for one answer
const EVERY = 1000; // ms between two looks at the status
const SLOWEST = 10000; // ms between two tries while nobody answers
const HISTORY_EVERY = 5; // looks

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let token = null;
try {
  token = sessionStorage.getItem(KEY);
} catch {
  // No storage here: the token lasts as long as the page.
}

export const hasToken = () => Boolean(token);

export function setToken(text) {
  token = text.trim() || null;
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // as above
  }
}

/** Takes `#token=...` out of the address at once: it must not stay in the history or be copied with the address. */
export function takeToken() {
  const found = /^#token=(.*)$/s.exec(location.hash);
  if (!found) return false;
  history.replaceState(null, "", location.pathname + location.search);
  let text = found[1];
  try {
    text = decodeURIComponent(text);
  } catch {
    // a stray per cent sign: taken as it stands
  }
  setToken(text);
  return true;
}

/** The JSON of an answer. Raises `Refused` with the server's sentence, or `TypeError` if there is no answer. */
export async function ask(path, body) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method: body ? "POST" : "GET",
    body: body && JSON.stringify(body),
    headers,
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE),
  });
  const value = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(value?.error ?? `the server answered ${answer.status}`, answer.status);
  if (value === null) throw new TypeError("the answer is no JSON");
  return value;
}

/**
 * Looks at the status again and again while the page is seen. `seen.status`, `seen.history`: new values (they do not raise).
 * `seen.lost(since, why)`: no answer; `since` is when the last one came, in ms, or null. `seen.found()`: they come again.
 */
export class Watch {
  #seen;
  #timer = 0;
  #looking = false;
  #looks = 0;
  #last = null; // when the last answer came
  #failed = 0; // tries since then

  constructor(seen) {
    this.#seen = seen;
    document.addEventListener("visibilitychange", () => this.now());
  }

  /** Looks at once. Nothing happens while the tab is hidden: coming back calls this. */
  now() {
    clearTimeout(this.#timer);
    if (!document.hidden) this.#look();
  }

  async #look() {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const status = await ask("api/status");
      this.#last = Date.now();
      if (this.#failed) this.#seen.found();
      this.#failed = 0;
      this.#seen.status(status);
      if (this.#looks % HISTORY_EVERY === 0) this.#seen.history(await ask("api/history"));
      this.#looks += 1;
    } catch (error) {
      this.#failed += 1;
      this.#looks = 0;
      this.#seen.lost(this.#last, error instanceof Refused ? error.message : "no answer");
    }
    this.#looking = false;
    const wait = this.#failed ? Math.min(SLOWEST, EVERY * 2 ** (this.#failed - 1)) : EVERY;
    clearTimeout(this.#timer);
    if (!document.hidden) this.#timer = setTimeout(() => this.#look(), wait);
  }
}
