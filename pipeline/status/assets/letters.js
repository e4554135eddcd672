// Dead letters, grouped by stage and error: reading them, sending them through the stages again, dropping them.

import { ask, hasToken, Refused, setToken } from "./client.js";
import { byId, keep, make, say, setAttribute, setText, show } from "./dom.js";
import { capital, count, ending, exactly, many, size } from "./format.js";
import { sinkName } from "./verdict.js";

const PAGE = 20; // letters that are fetched at once

let status = null; // the latest
let running = null; // the number of the re-drive that is under way
let unknown = false; // whether something was done for which no answer came
const open = new Map(); // key of a group -> its elements

const keyOf = (group) => JSON.stringify([group.stage, group.error]);
const nameOf = (group) => `${group.stage}, ${group.error}`;

export function startLetters() {
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(byId("token").value);
    byId("token").value = "";
    setText(byId("token-trouble"), "");
    attempt(byId("token-use"), async () => {
      await ask("api/dead_letters?limit=1");
      showToken();
      setResult("The server takes the token; it is kept for this tab.");
      byId("letters-title").focus();
    });
  });
  byId("token-forget").addEventListener("click", () => {
    setToken("");
    showToken();
    byId("token").focus();
  });
  byId("ask-no").addEventListener("click", () => byId("ask").close("no"));
  byId("ask-yes").addEventListener("click", () => byId("ask").close("yes"));
  showToken();
}

export function showToken() {
  show(byId("token-form"), !hasToken());
  show(byId("token-set"), hasToken());
}

export function showLetters(next) {
  status = next;
  const { dead_letters: letters, state_dir: directory, now } = status;
  setText(byId("token-file"), `${directory}/token`);
  const full = letters.when_full === "block" ? "reading stops when that is full" : "the oldest are dropped when that is full";
  setText(byId("letters-sum"), letters.count ? `${many(letters.count, "dead letter")}, ${size(letters.bytes)} of ${size(letters.max_bytes)}; ${full}.` : "None.");
  const list = byId("groups");
  keep(list, letters.groups.toSorted((a, b) => b.count - a.count), {
    key: keyOf,
    create: makeGroup,
    update: (node, group) => updateGroup(node, group, now),
    held: list.matches(":hover"), // nothing moves away under a finger that is about to press Drop
    lost: () => byId("letters-title").focus(),
  });
  showRedrive(status.redrive);
}

function setResult(text, trouble = false) {
  setText(byId("result"), text);
  byId("result").classList.toggle("trouble", trouble);
}

/** The server answers again. */
export function foundAgain() {
  if (unknown) setResult("");
  unknown = false;
}

function showRedrive(redrive) {
  show(byId("redrive"), Boolean(redrive?.running));
  if (!redrive) return;
  const { number, total, done, written, failed, skipped } = redrive;
  const left = skipped ? `, ${count(skipped)} skipped (their lines are not kept whole)` : "";
  const sums = `${count(done)} of ${many(total, "letter")} done, ${count(written)} written, ${count(failed)} failed again${left}`;
  const down = status.sinks.filter((sink) => !sink.up).map(sinkName);
  const waits = down.length ? ` It waits for ${down.length === 1 ? "sink" : "sinks"} ${down.join(", ")}.` : "";
  setText(byId("redrive-text"), `Re-drive ${count(number)} is running: ${sums}.${waits}`);
  const bar = byId("redrive-bar");
  bar.max = Math.max(1, total);
  bar.value = done;
  // Its beginning and its end are said, not each step.
  if (redrive.running) running = number;
  else if (running === number) {
    running = null;
    setResult(`Re-drive ${count(number)} has ended: ${sums}.`);
  }
}

function makeGroup(group) {
  const parts = {
    heading: make("h3", {}, make("span", { class: "code" }, group.stage), ": ", make("span", { class: "code" }, group.error)),
    facts: make("p", { class: "quiet" }),
    read: make("button", { type: "button", "aria-expanded": "false" }, "Show letters"),
    again: make("button", { type: "button" }, "Re-drive"),
    drop: make("button", { type: "button", class: "danger" }, "Drop…"),
    letters: make("div", { class: "letters", hidden: true }),
    list: make("ul"),
    more: make("button", { type: "button", hidden: true }, "Show older ones"),
    group,
  };
  parts.letters.append(parts.list, parts.more);
  parts.read.setAttribute("aria-label", `Show letters of ${nameOf(group)}`);
  parts.read.addEventListener("click", () => toggle(parts));
  parts.more.addEventListener("click", () => fetchLetters(parts, false));
  parts.again.addEventListener("click", () => redrive(parts));
  parts.drop.addEventListener("click", () => drop(parts));
  open.set(keyOf(group), parts);
  return make("li", {}, make("div", { class: "group" }, make("div", {}, parts.heading, parts.facts), make("div", { class: "buttons" }, parts.read, parts.again, parts.drop)), parts.letters);
}

function updateGroup(_, group, now) {
  const parts = open.get(keyOf(group));
  parts.group = group;
  setText(parts.facts, `${many(group.count, "letter")}, ${size(group.bytes)}, first ${exactly(group.first, now)}, last ${exactly(group.last, now)}`);
  setAttribute(parts.again, "aria-label", `Re-drive ${many(group.count, "letter")} of ${nameOf(group)}`);
  setAttribute(parts.drop, "aria-label", `Drop… ${many(group.count, "letter")} of ${nameOf(group)}`);
}

/** Does something that needs the token, one at a time, and says what came of it. */
async function attempt(button, work) {
  if (!hasToken()) {
    setText(byId("token-trouble"), "This needs the token.");
    byId("token").focus();
    return;
  }
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // not `disabled`: that would take the focus away
  try {
    await work();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      setToken("");
      showToken();
      setResult("");
      setText(byId("token-trouble"), "The server does not take this token: it may be of an earlier state. Enter the present one.");
      byId("token").focus();
    } else {
      const words = error instanceof Refused ? capital(error.message) : "The server does not answer. Whether it was done is not known: look at the numbers once it is back.";
      setResult(words, true);
      unknown = !(error instanceof Refused);
    }
  }
  button.removeAttribute("aria-disabled");
}

const filterOf = ({ group }) => ({ stage: group.stage, error: group.error });

function redrive(parts) {
  return attempt(parts.again, async () => {
    if (status.redrive?.running) {
      setResult(`Re-drive ${count(status.redrive.number)} is still running: begin another one when it has ended.`, true);
      return;
    }
    const { number, total, skipped } = await ask("api/dead_letters/redrive", filterOf(parts));
    running = number;
    const left = skipped ? ` ${many(skipped, "letter is", "letters are")} left where they are: their lines are not kept whole.` : "";
    setResult(`Re-drive ${count(number)} has begun: ${many(total, "letter")} of ${nameOf(parts.group)}.${left}`);
  });
}

function drop(parts) {
  return attempt(parts.drop, async () => {
    // What comes while the question stands there is not meant.
    const newest = new URLSearchParams({ ...filterOf(parts), limit: 1 });
    const { count: there, letters: [last] } = await ask(`api/dead_letters?${newest}`);
    if (!last) {
      setResult(`There are no dead letters of ${nameOf(parts.group)} any more.`);
      return;
    }
    const letters = many(there, "dead letter");
    const what = `${letters} of ${nameOf(parts.group)}`;
    const dialog = byId("ask");
    setText(byId("ask-title"), `Drop ${letters}?`);
    setText(byId("ask-text"), `${what} are deleted with their lines; those that come meanwhile stay. This cannot be undone.`);
    setText(byId("ask-yes"), `Drop ${letters}`);
    dialog.returnValue = "no"; // what Escape means
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    if (dialog.returnValue !== "yes") return;
    const { dropped } = await ask("api/dead_letters/drop", { ...filterOf(parts), until: last.id });
    setResult(`Dropped ${many(dropped, "dead letter")} of ${nameOf(parts.group)}.`);
  });
}

async function toggle(parts) {
  if (parts.read.getAttribute("aria-expanded") === "true") {
    setText(parts.read, "Show letters");
    parts.read.setAttribute("aria-label", `Show letters of ${nameOf(parts.group)}`);
    parts.read.setAttribute("aria-expanded", "false");
    show(parts.letters, false);
    return;
  }
  await fetchLetters(parts, true);
}

/** The newest letters of a group, or older ones than those that stand there. They are not kept up to date: one reads them. */
function fetchLetters(parts, afresh) {
  return attempt(afresh ? parts.read : parts.more, async () => {
    const { stage, error } = parts.group;
    const query = new URLSearchParams({ stage, error, limit: PAGE });
    if (!afresh) query.set("before", parts.list.lastElementChild.dataset.id);
    const { letters } = await ask(`api/dead_letters?${query}`);
    if (afresh) parts.list.replaceChildren();
    const nodes = letters.map(makeLetter);
    parts.list.append(...nodes);
    show(parts.more, letters.length === PAGE);
    setText(parts.read, "Hide letters");
    parts.read.setAttribute("aria-label", `Hide letters of ${nameOf(parts.group)}`);
    parts.read.setAttribute("aria-expanded", "true");
    show(parts.letters, true);
    say(`${many(parts.list.children.length, "letter")} of ${nameOf(parts.group)} shown.`);
    if (!afresh && nodes.length) nodes[0].querySelector("pre").focus();
  });
}

function makeLetter(letter) {
  const place = `${ending(letter.path || letter.file)}, byte ${count(letter.offset)}`;
  const facts = [place, exactly(letter.time, status.now), many(letter.attempts, "attempt"), letter.sink ? `sink ${letter.sink}` : "", `id ${letter.event_id}`];
  // A line may be wide; it is a stop of the Tab key because it scrolls.
  const line = make("pre", { tabindex: "0", role: "group", "aria-label": `Line of letter ${letter.id}` });
  line.append(make("code", {}, letter.line));
  const cut = letter.cut ? [make("p", { class: "quiet" }, "Its end is cut: a letter keeps so much and no more, so it cannot be re-driven.")] : [];
  return make("li", { "data-id": letter.id }, make("p", {}, letter.why || letter.error), line, ...cut, make("p", { class: "quiet" }, facts.filter(Boolean).join(" · ")));
}
