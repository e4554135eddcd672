// The status page of tailrace: looks at the daemon once a second and shows what it says. What stands where is in
// index.html, how it looks in page.css; this puts the parts together.

import { takeToken, Watch } from "./client.js";
import { byId, keep, make, makeBar, say, setAttribute, setBar, setClass, setText, show } from "./dom.js";
import { drawFlow } from "./flow.js";
import { capital, count, exactly, lasted, many, zone } from "./format.js";
import { foundAgain, showLetters, showToken, startLetters } from "./letters.js";
import { makePlots } from "./plots.js";
import { makeTables } from "./tables.js";
import { findings, headline, numbers, sinkName } from "./verdict.js";

const LEVELS = { bad: "Problem", note: "Note", good: "Good" };
// Drawn as signs too: round, pointed, square.
const ICONS = {
  bad: ["%23d92d20", "M8 1 15 15H1Z"],
  note: ["%23b7791f", "M2 2h12v12H2Z"],
  good: ["%23128a4e", "M8 1a7 7 0 1 0 .1 0Z"],
};

takeToken(); // before anything else: it must not stay in the address

let told = null; // the problems that were last said to a screen reader
let snapshot = { now: 0, came: 0, state: "" }; // the latest of the daemon's, and when it came

function showTop(status) {
  if (status.now !== snapshot.now) snapshot = { now: status.now, came: Date.now(), state: status.state };
  const found = findings(status, (Date.now() - snapshot.came) / 1000);
  const level = found.some((one) => one.level === "bad") ? "bad" : found.some((one) => one.level === "note") ? "note" : "good";
  const words = headline(found);

  setText(byId("name"), status.name);
  setText(byId("about"), `tailrace ${status.version}, running for ${lasted(status.now - status.started)} (since ${exactly(status.started, status.now)})`);
  setText(byId("state"), capital(status.state));
  setClass(byId("state"), `pill ${status.state === "running" ? "good" : status.state === "blocked" || status.state === "recovering" ? "bad" : "note"}`);
  setText(byId("updated"), exactly(status.now));
  setText(byId("headline"), words);
  setClass(byId("verdict"), `card verdict ${level}`);
  document.title = `${words} – ${status.name} – tailrace`;
  const [colour, path] = ICONS[level];
  setAttribute(byId("icon"), "href", `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path fill='${colour}' d='${path}'/></svg>`);
  setText(byId("place"), `Configuration ${status.config}, state ${status.state_dir}, process ${status.pid}. The configuration was read at ${exactly(status.config_loaded, status.now)}.`);

  keep(byId("findings"), found, {
    key: (one) => one.key,
    lost: () => byId("headline").focus(),
    create: () => make("li", {}, make("span", { class: "pill" }), make("p", {}, make("a", { href: "#main" }, " "), make("span", {}))),
    update: (node, one) => {
      const [pill, text] = node.children;
      setText(pill, LEVELS[one.level]);
      setClass(pill, `pill ${one.level}`);
      setText(text.firstChild, one.lead);
      setAttribute(text.firstChild, "href", `#${one.to}`);
      setText(text.lastChild, one.rest);
    },
  });
  announce(found.filter((one) => one.level === "bad"));
}

/** Says problems when they come and when the last has gone; their numbers may change without a word. */
function announce(bad) {
  const keys = new Set(bad.map((one) => one.key));
  const fresh = bad.filter((one) => !told?.has(one.key));
  if (fresh.length) say(fresh.map((one) => one.lead + one.rest).join(". "));
  else if (told?.size && !keys.size) say("No problems any more.");
  told = keys;
}

function showTiles(list, rows) {
  keep(list, rows, {
    key: ([key]) => key,
    create: (row) => {
      const value = make("dd", {}, make("strong", {}));
      if (row.length > 5) value.append(makeBar());
      if (row.length > 3) value.append(make("span", { class: "more" }), make("span", { class: "quiet" }, " "));
      return make("div", {}, make("dt", {}, row[1]), value);
    },
    update: (node, [, , value, more, explanation, share]) => {
      const parts = node.lastChild.children;
      setText(parts[0], value);
      if (share !== undefined) setBar(parts[1], share, share > 0.9 ? "bad" : "");
      if (more === undefined) return;
      setText(parts[parts.length - 2], more);
      setText(parts[parts.length - 1], explanation);
    },
  });
}

function showSums({ totals, sinks }) {
  const written = Object.entries(totals.written);
  const to = (id) => {
    const sink = sinks.find((one) => one.id === id);
    return sink ? sinkName(sink) : `${id}, a sink that is gone`;
  };
  showTiles(byId("sums"), [
    ["read", "Lines read", count(totals.lines_read)],
    ["made", "Events made by stages", count(totals.events_made)],
    ["redriven", "Lines re-driven", count(totals.lines_redriven)],
    ...written.map(([id, n]) => [`written ${id}`, `Written to ${to(id)}`, count(n)]),
    ["filtered", "Filtered", count(totals.filtered)],
    ["dead", "Dead-lettered", count(totals.dead_letters)],
    ["unread", "Bytes that were never read", count(totals.bytes_unread)],
    ["long", "Lines that were too long", count(totals.long_lines)],
    ["retries", "Retries", count(totals.retries)],
    ["rewinds", "Rewinds to the last commit", count(totals.rewinds)],
    ["restarts", "Workers replaced", count(totals.worker_restarts)],
  ]);
}

const showTables = makeTables();
const showPlots = makePlots();
const views = [showTop, (status) => showTiles(byId("numbers"), numbers(status)), drawFlow, showTables, showLetters, showSums];

/** One part that cannot be shown must not keep the others from being. */
function each(parts, value) {
  for (const part of parts) {
    try {
      part(value);
    } catch (error) {
      reportError(error);
    }
  }
}

let lost = null; // while nobody answers: `{since, why}`

function showLost(since, why) {
  if (!lost) say("Connection lost. What is shown is old.");
  lost = { since, why };
  document.title = `Connection lost – ${byId("name").textContent}`;
  tellLost();
  show(byId("lost"), true);
  document.body.classList.add("old");
}

function tellLost() {
  if (!lost) return;
  const { since, why } = lost;
  const stopped = snapshot.state === "stopping" ? "It was stopping. " : "";
  const when = since ? `since ${exactly(snapshot.now)} (${lasted((Date.now() - since) / 1000)})` : "before the first answer";
  setText(byId("lost-text"), `${when}: ${why}. ${stopped}${since ? "What is shown is from then. " : ""}It is tried again by itself.`);
}

function showFound() {
  lost = null;
  if (byId("lost").contains(document.activeElement)) byId("main").focus({ preventScroll: true });
  show(byId("lost"), false);
  foundAgain();
  document.body.classList.remove("old");
  say("Connected again.");
}

startLetters();
setText(byId("zone"), zone());
const watch = new Watch({ status: (status) => each(views, status), history: (past) => each([showPlots], past), lost: showLost, found: showFound });
setInterval(tellLost, 1000); // between two tries too
byId("lost-retry").addEventListener("click", () => watch.now());
addEventListener("hashchange", () => {
  if (takeToken()) showToken(); // the address with the token, pasted into a tab that shows the page already
});
watch.now();
