// What stands in the tables: sinks, files, stages, patterns, workers, batches.

import { byId, setText } from "./dom.js";
import { count, exactly, lasted, many, percent, rate, size, took } from "./format.js";
import { Table } from "./table.js";
import { sinkName, worstStage } from "./verdict.js";

const sum = (sums) => Object.values(sums ?? {}).reduce((a, b) => a + b, 0);
const reasons = (sums) => Object.keys(sums ?? {}).filter((reason) => sums[reason]).map((reason) => reason.replaceAll("_", " ")).join(", ");

/** What became of each byte of a file, as the sum that must come out. */
function balance({ seen, acknowledged, dead_lettered: dead, skipped, lost, pending }) {
  const terms = [`${size(acknowledged)} acknowledged`];
  if (dead) terms.push(`${size(dead)} became dead letters`);
  if (sum(skipped)) terms.push(`${size(sum(skipped))} skipped (${reasons(skipped)})`);
  if (sum(lost)) terms.push(`${size(sum(lost))} lost (${reasons(lost)})`);
  if (pending) terms.push(`${size(pending)} not committed`);
  const off = seen - acknowledged - dead - sum(skipped) - sum(lost) - pending;
  return `${terms.join(" + ")}${off ? `: does not add up, ${many(off, "byte")} off` : ""}`;
}

const FILE_STATES = {
  reading: "",
  quiet: "read to its end",
  gone: "no name leads to it, still read",
  ended: "truncated or replaced",
  unreadable: "",
  waiting: "not known yet what it is",
};

export function makeTables() {
  let now = 0;
  let stage = {}; // by label: its step in the flow
  let memory = {}; // by pid
  let worst = null;
  let slowest = 1;

  const sinks = new Table(byId("sinks"), {
    id: "sinks",
    caption: "Each sink: whether it is up, and what it has written",
    key: (row) => row.id,
    none: "This configuration has no sinks.",
    first: 20,
    columns: [
      { head: "Sink", text: sinkName, more: (row) => [row.id, row.use].filter((word, at, all) => word !== sinkName(row) && all.indexOf(word) === at).join(", "), code: true },
      {
        head: "State",
        text: (row) => (row.up ? "Up" : `Down since ${row.since === null ? "an unknown time" : exactly(row.since, now)} (${lasted(row.down_seconds)})`),
        more: (row) => (row.up ? "" : row.why),
        level: (row) => (row.up ? "" : "bad"),
      },
      { head: "Rate", text: (row) => `${rate(row.rate)}/s`, number: true },
      { head: "Written", text: (row) => count(row.written), number: true },
      { head: "Refused", text: (row) => count(row.failed), level: (row) => (row.failed ? "note" : ""), number: true },
      { head: "Retries", text: (row) => count(row.retries), number: true },
      { head: "Waiting", text: (row) => count(row.waiting), number: true },
      { head: "Guarantee", text: (row) => row.guarantee },
    ],
  });

  const files = new Table(byId("files"), {
    id: "files",
    caption: "Each file: how far it is read, how much it lags, and what became of its bytes",
    key: (row) => `${row.stream} ${row.path}`,
    none: "No file is known yet.",
    sort: [2, -1],
    columns: [
      { head: "File", text: (row) => row.path, by: (row) => row.path, code: true },
      {
        head: "State",
        text: (row) => row.state,
        more: (row) => row.why || (FILE_STATES[row.state] ?? ""),
        by: (row) => row.state,
        level: (row) => (row.state === "unreadable" ? "bad" : ""),
      },
      { head: "Lag", text: (row) => size(row.lag_bytes), more: (row) => (row.pending_bytes ? `${size(row.pending_bytes)} of it read` : ""), by: (row) => row.lag_bytes, number: true },
      { head: "Oldest line", text: (row) => (row.lag_bytes ? lasted(row.lag_seconds) : "none"), by: (row) => row.lag_seconds, number: true },
      {
        head: "Place",
        text: (row) => percent(row.size ? Math.floor((row.offset / row.size) * 100) / 100 : 1), // 100% is the end and nothing before
        bar: (row) => (row.size ? row.offset / row.size : 1),
        more: (row) => `${size(row.offset)} of ${size(row.size)}`,
        by: (row) => (row.size ? row.offset / row.size : 1),
        number: true,
      },
      {
        head: "Balance",
        text: (row) => `${size(row.balance.seen)} seen =`,
        more: (row) => balance(row.balance),
        by: (row) => row.balance.seen,
        level: (row) => (sum(row.balance.lost) ? "note" : ""),
      },
    ],
  });

  const stages = new Table(byId("stages"), {
    id: "stages",
    caption: "Each stage: what went in and out, what failed, and what it costs",
    key: (row) => row.label,
    none: "This configuration has no stages.",
    first: 20,
    before: byId("patterns-title"),
    columns: [
      {
        head: "Stage",
        text: (row) => row.label,
        more: (row) => {
          const { only = [], when = null } = stage[row.label] ?? {};
          return [row.use === row.label ? row.role : `${row.use}, ${row.role}`, only.length ? `only ${only.join(", ")}` : "", when ? `when ${when}` : ""].filter(Boolean).join("; ");
        },
        code: true,
      },
      { head: "Rate", text: (row) => `${rate(row.rate)}/s`, number: true },
      { head: "In", text: (row) => count(row.received), number: true },
      { head: "Out", text: (row) => count(row.sent), number: true },
      { head: "Filtered", text: (row) => count(row.filtered), number: true },
      {
        head: "Failed",
        text: (row) => count(row.failed),
        more: (row) => (worst && worst.stage === row.label ? "most dead letters now" : ""),
        level: (row) => (row.failed ? "note" : ""),
        number: true,
      },
      { head: "Share of time", text: (row) => percent(row.share), bar: (row) => row.share, more: (row) => `${took(row.seconds)} in all`, number: true },
    ],
  });

  const patterns = new Table(byId("stages"), {
    id: "patterns",
    caption: "Each pattern of a stage: how often it matched, and what it costs",
    key: (row) => `${row.stage} ${row.pattern}`,
    none: "No stage with patterns of its own.",
    sort: [4, -1],
    columns: [
      { head: "Pattern", text: (row) => row.pattern, more: (row) => row.stage, by: (row) => `${row.stage} ${row.pattern}`, code: true },
      { head: "Matches", text: (row) => count(row.matches), by: (row) => row.matches, number: true },
      { head: "Time", text: (row) => took(row.seconds), by: (row) => row.seconds, number: true },
      { head: "A million matches", text: (row) => (row.matches ? took((row.seconds / row.matches) * 1e6) : "none"), by: (row) => (row.matches ? row.seconds / row.matches : 0), number: true },
      { head: "Share of time", text: (row) => percent(row.share), bar: (row) => row.share, by: (row) => row.share, number: true },
    ],
  });

  const workers = new Table(byId("workers"), {
    id: "workers",
    caption: "Each worker: what it works on, and how busy it was in the last minute",
    key: (row) => row.pid,
    none: "No worker processes: the main process does the work.",
    before: byId("batches-title"),
    columns: [
      { head: "Process", text: (row) => String(row.pid), code: true },
      {
        head: "Now",
        text: (row) => (row.state === "working" ? row.file ?? "a batch" : row.state),
        more: (row) => (row.state === "working" ? `batch ${count(row.batch)}, since ${exactly(now - row.seconds, now)} (${took(row.seconds)})` : ""),
        level: (row) => (row.state === "working" && row.seconds > 10 ? "note" : ""),
      },
      { head: "Busy", text: (row) => percent(row.busy), bar: (row) => row.busy, number: true },
      { head: "Lines", text: (row) => count(row.lines), number: true },
      { head: "Batches", text: (row) => count(row.batches), number: true },
      { head: "Memory", text: (row) => (row.pid in memory ? size(memory[row.pid]) : "unknown"), number: true },
    ],
  });

  const batches = new Table(byId("workers"), {
    id: "batches",
    caption: "From when to when each was worked on, and which part of which file it was",
    key: (row) => row.batch,
    first: 5,
    none: "No batch in the last 10 minutes.",
    sort: [0, -1],
    columns: [
      { head: "Took", text: (row) => took(row.seconds), bar: (row) => row.seconds / slowest, by: (row) => row.seconds, number: true },
      { head: "From – to", text: (row) => `${exactly(row.start, now)} – ${exactly(row.end, now)}`, by: (row) => row.start },
      { head: "File", text: (row) => row.file, more: (row) => `${count(row.position)} – ${count(row.end_position)}`, by: (row) => row.file, code: true },
      { head: "Lines", text: (row) => count(row.lines), by: (row) => row.lines, number: true },
      { head: "Dead letters", text: (row) => count(row.dead_letters), by: (row) => row.dead_letters, level: (row) => (row.dead_letters ? "note" : ""), number: true },
      { head: "Batch", text: (row) => count(row.batch), more: (row) => `worker ${row.worker}`, by: (row) => row.batch, number: true },
    ],
  });

  return (status) => {
    now = status.now;
    stage = Object.fromEntries(status.flow.map((step) => [step.label, step]));
    memory = Object.fromEntries(status.memory.processes.map((process) => [process.pid, process.bytes]));
    worst = worstStage(status);
    slowest = Math.max(...status.batches.map((batch) => batch.seconds), 0.001);
    sinks.update(status.sinks);
    files.update(status.files.rows);
    stages.update(status.stages);
    patterns.update(status.patterns);
    workers.update(status.workers);
    batches.update(status.batches);
    const { files: known, ring } = status;
    const more = known.count > known.rows.length ? ` Shown are the ${count(known.rows.length)} that lag most.` : "";
    setText(byId("files-sum"), `${many(known.count, "file")}, ${count(known.open)} open, ${size(known.lag_bytes)} behind.${more}`);
    setText(byId("workers-sum"), `${skew(status.workers)} Of ${many(ring.slots, "slot")} for ${size(ring.bytes)} of input, ${count(ring.free)} free, ${count(ring.waiting)} waiting for a worker, ${count(ring.working)} worked on, ${count(ring.through)} waiting for their turn or for sinks.`);
  };
}

/** How evenly the workers are loaded, in words. */
function skew(workers) {
  if (workers.length < 2) return workers.length ? "One worker." : "";
  const busy = workers.map((worker) => worker.busy);
  const [least, most] = [Math.min(...busy), Math.max(...busy)];
  const even = most - least <= 0.2 ? "evenly loaded" : "unevenly loaded";
  return `${count(workers.length)} workers, ${even}: the least busy ${percent(least)}, the busiest ${percent(most)} of the last minute.`;
}
