// What is wrong, in sentences: the answer to "what is it this time?" before any number is read.

import { beginning, count, ending, exactly, lasted, many, megabytes, percent, rate, size, took } from "./format.js";

const LATE = 10; // seconds that a file may lag without a word about it
const STUCK = 60; // seconds without a commit, though there is something to commit, that are a problem
const SILENT = 10; // seconds without a new snapshot of the daemon's that are a problem
const NEARLY = 0.9; // share of a bound from which it is worth a word
const MOST = 5; // sinks that are listed one by one

const STATES = {
  starting: ["note", "It is starting", ""],
  recovering: ["bad", "It is going back to the last commit", ", because a sync or a commit failed. Nothing is lost by that"],
  reloading: ["note", "It is taking over a new configuration", ""],
  stopping: ["note", "It is stopping", ", when what is in work is done and committed"],
};

/** What made the most dead letters: `{stage, count, error, most, last}`, `most` of them with the commonest error; or null. */
export function worstStage(status) {
  const stages = new Map();
  for (const group of status.dead_letters.groups) {
    const sum = stages.get(group.stage) ?? { stage: group.stage, count: 0, error: "", most: 0, last: 0 };
    sum.count += group.count;
    sum.last = Math.max(sum.last, group.last);
    if (group.count > sum.most) [sum.most, sum.error] = [group.count, group.error];
    stages.set(group.stage, sum);
  }
  return [...stages.values()].reduce((worst, sum) => (sum.count > (worst?.count ?? 0) ? sum : worst), null);
}

/** What its configuration calls a sink: its `name` if it has one, else its id. */
export const sinkName = ({ id, label, use }) => (label === use ? id : label);

/** What a bottleneck's id means: `sink out`, `stage parse.json`. */
export function named(id, { sinks }) {
  const at = id.indexOf(":");
  const [kind, rest] = [id.slice(0, at), id.slice(at + 1)];
  const sink = kind === "sink" && sinks.find((one) => one.id === rest);
  return at < 0 ? "the source" : `${kind} ${sink ? sinkName(sink) : rest}`;
}

/** Findings, the worst first: `{key, level: "bad" | "note" | "good", lead, rest, to}`; `to` is where on the page more is told. */
export function findings(status, silent = 0) {
  const found = [];
  const add = (level, key, lead, rest, to) => found.push({ level, key, lead, rest, to });
  const { dead_letters: letters, lag, files, memory, sinks, commit } = status;

  if (silent >= SILENT) add("bad", "silent", "The daemon tells nothing new", ` for ${lasted(silent)}: it hangs, or the machine is very busy.`, "verdict");
  if (STATES[status.state]) {
    const [level, lead, rest] = STATES[status.state];
    add(level, "state", lead, `${rest}.`, "pipeline");
  }

  const down = sinks.filter((sink) => !sink.up);
  for (const sink of down.slice(0, MOST)) {
    const since = sink.since === null ? "" : ` since ${exactly(sink.since, status.now)}`;
    const why = sink.why ? `: ${beginning(sink.why)}` : ", and gave no reason";
    const name = sinkName(sink);
    const both = name === sink.id ? name : `${name} (${sink.id})`; // the log says the id
    add("bad", `down ${sink.id}`, `Sink ${beginning(both, 60)} is down`, `${since} (${lasted(sink.down_seconds)})${why}. Nothing is lost: it is tried again until it works.`, "sinks");
  }
  if (down.length > MOST) add("bad", "down", `${many(down.length - MOST, "more sink is", "more sinks are")} down`, ": see the table.", "sinks");

  if (letters.full || status.state === "blocked") {
    const what = letters.when_full === "block" ? "Reading is blocked: dead letters are full" : "Dead letters are full: the oldest are dropped";
    add("bad", "full", what, ` (${size(letters.bytes)} of ${size(letters.max_bytes)}). Re-drive or drop some.`, "letters");
  }
  // Not beside a sink that is down: that says why.
  if (commit.age > STUCK && lag.bytes > 0 && !down.length && status.state === "running")
    add("bad", "stuck", "Nothing was committed", ` for ${lasted(commit.age)}, though ${size(lag.bytes)} wait.`, "pipeline");
  const unreadable = files.rows.filter((row) => row.state === "unreadable");
  for (const file of unreadable.slice(0, MOST))
    add("bad", `unreadable ${file.path}`, `File ${ending(file.path)} cannot be read`, `: ${beginning(file.why) || "no reason is known"}`, "files");
  lagging(status, add);
  const worst = worstStage(status);
  if (worst) {
    const error = worst.most === worst.count ? `all ${beginning(worst.error, 60)}` : `${count(worst.most)} of them ${beginning(worst.error, 60)}`;
    add("note", "letters", `Stage ${beginning(worst.stage, 60)} makes most dead letters`, `: ${count(worst.count)}, ${error}, the last at ${exactly(worst.last, status.now)}`, "letters");
  }
  const filling = !letters.full && letters.max_bytes && letters.bytes / letters.max_bytes > NEARLY;
  if (filling)
    add("note", "filling", "Dead letters are nearly full", `: ${size(letters.bytes)} of ${size(letters.max_bytes)}`, "letters");
  if (memory.ceiling && memory.bytes / memory.ceiling > NEARLY)
    add("note", "memory", "Memory is near its ceiling", `: ${percent(memory.bytes / memory.ceiling)} of ${size(memory.ceiling)}`, "hour");

  // The daemon's own reasons tell the same as the sentences above. More of them than that: something new, in its words.
  const told = down.length + unreadable.length + (status.state === "running" ? 0 : 1) + (filling ? 1 : 0);
  if (status.reasons.length > told)
    add(status.ready ? "note" : "bad", "reasons", status.ready ? "The daemon says" : "Not ready", `: ${beginning(status.reasons.join("; "), 400)}`, "verdict");

  if (sinks.length && !down.length) {
    const all = [`Sink ${beginning(sinkName(sinks[0]), 60)} is up`, "Both sinks are up"][sinks.length - 1] ?? `All ${count(sinks.length)} sinks are up`;
    add("good", "up", all, ".", "sinks");
  }
  if (!worst) add("good", "letters", "No dead letters", " are kept.", "letters");

  const order = ["bad", "note", "good"];
  return found.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level)); // stable: within a level as found
}

function lagging(status, add) {
  const { files, lag, bottleneck, sinks } = status;
  let worst = null; // by bytes; of files that lag equally the one with the oldest line
  for (const row of files.rows) {
    const more = worst ? row.lag_bytes - worst.lag_bytes || row.lag_seconds - worst.lag_seconds : 1;
    if (more > 0) worst = row;
  }
  const late = (lag.seconds ?? 0) >= LATE;
  if (!files.count) add("note", "files", "No file is known yet", ": none fits source.paths, or none was looked at so far.", "files");
  else if (!worst?.lag_bytes) add("good", "lag", "No file lags", `: ${many(files.count, "file")} read and committed to the end.`, "files");
  else {
    const level = late || worst.lag_seconds >= LATE ? "note" : "good";
    add(level, "lag", `File ${ending(worst.path)} lags most`, `: ${size(worst.lag_bytes)}, oldest line ${lasted(worst.lag_seconds)} old`, "files");
  }
  const said = sinks.some((sink) => !sink.up && `sink:${sink.id}` === bottleneck?.id); // that it is down says enough
  if (late && bottleneck && !said)
    add("note", "bottleneck", `The bottleneck is ${beginning(named(bottleneck.id, status), 60)}`, bottleneck.why ? `: ${beginning(bottleneck.why)}` : ".", "pipeline");
}

/** All of it in a few words: the headline, and the title of the tab. */
export function headline(found) {
  const bad = found.filter((one) => one.level === "bad").length;
  const notes = found.filter((one) => one.level === "note").length;
  if (!bad && !notes) return "All is well";
  return (bad ? many(bad, "problem") : "No problems") + (notes ? `, ${many(notes, "note")}` : "");
}

/** The numbers under the verdict: `[key, name, value, more, explanation, share of a bound or null]`. */
export function numbers(status) {
  const { rates, lag, pending, latency, memory, dead_letters: letters, commit } = status;
  return [
    ["lines", "Lines read", `${rate(rates.lines)}/s`, `${megabytes(rates.bytes)} MB/s`, "committed, over the last 10 s"],
    ["written", "Written", `${rate(rates.written)}/s`, `${rate(rates.dead_letters)}/s dead letters`, "events, all sinks together"],
    ["lag", "Lag", size(lag.bytes), `oldest ${lasted(lag.seconds)}`, "in the files and not committed"],
    ["pending", "Pending", many(pending.lines, "line"), `oldest ${lasted(pending.seconds)}`, `${size(pending.bytes)} read, not committed yet`],
    ["latency", "Latency, median", took(latency?.p50), latency?.count ? `99% within ${took(latency.p99)}` : "no lines", "from append to durable, last minute"],
    ["memory", "Memory", size(memory.bytes), `ceiling ${size(memory.ceiling)}`, `${many(memory.processes.length, "process", "processes")}`, memory.ceiling ? memory.bytes / memory.ceiling : 0],
    ["dead", "Dead letters", count(letters.count), `room for ${size(letters.max_bytes)}`, `${size(letters.bytes)} kept`, letters.max_bytes ? letters.bytes / letters.max_bytes : 0],
    commit.count
      ? ["commit", "Last commit", `${lasted(commit.age)} ago`, `took ${took(commit.seconds)}`, `${many(commit.count, "commit")} since the start`]
      : ["commit", "Last commit", "none yet", "", "since the start"],
  ];
}
