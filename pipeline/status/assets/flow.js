// The pipeline as a picture, made of HTML: a line from the source through the stages, from which sinks branch off.
// page.css draws the line: across on wide screens, downwards on narrow ones. It is built when the pipeline changes; each
// second only its words change.

import { byId, make, makeBar, setBar, setClass, setText, show } from "./dom.js";
import { capital, exactly, lasted, megabytes, percent, rate } from "./format.js";
import { named, sinkName } from "./verdict.js";

const DENSE = 14; // steps from which each is drawn smaller
const MANY = 5; // sinks of one group from which each is drawn wide and low

let drawn = ""; // what the picture shows, as JSON
const parts = new Map(); // id -> the elements that change

/**
 * Steps in a row as groups: `step` (one after the other), `either` (parse stages: a line takes one of them) and `sinks`
 * (each is given a copy). Sinks need not be last: `last` says whether the line goes on behind them.
 */
function grouped(flow) {
  const groups = [];
  const parses = flow.filter((step) => step.kind === "parse").length;
  for (const step of flow) {
    const shape = step.kind === "sink" ? "sinks" : step.kind === "parse" && parses > 1 ? "either" : "step";
    const before = groups.at(-1);
    if (shape !== "step" && before?.shape === shape) before.steps.push(step);
    else groups.push({ shape, steps: [step] });
  }
  return groups.map((group, index) => ({ ...group, last: index === groups.length - 1 }));
}

function conditions(step) {
  const words = [];
  if (step.only?.length) words.push(`only ${step.only.join(", ")}`);
  if (step.when) words.push(`when ${step.when}`);
  return words.join("; ");
}

function makeArrow(part) {
  part.rate = make("span", { class: "rate" });
  part.arrow = make("span", { class: "arrow" }, part.rate);
  return part.arrow;
}

function makeNode(step, part) {
  const id = step.id.replace(/^sink:/, "");
  const name = step.kind === "sink" ? sinkName({ ...step, id }) : step.label;
  const more = [step.kind === "sink" ? id : "", step.use ?? "", conditions(step)];
  part.busy = make("span", { class: "busy" });
  part.bar = makeBar();
  part.errors = make("span", { class: "errors", hidden: true });
  part.flag = make("span", { class: "flag", hidden: true });
  part.choke = make("span", { class: "flag choke", hidden: true }, "Bottleneck");
  part.node = make("div", { class: "node" });
  part.node.append(
    make("span", { class: "kind" }, step.kind),
    make("strong", {}, name),
    make("span", { class: "more" }, more.filter((word, at, all) => word && word !== name && all.indexOf(word) === at).join(" · ")),
    make("span", { class: "load" }, ...(step.kind === "source" ? [] : [part.bar]), part.busy),
    part.errors,
    part.choke,
    part.flag,
  );
  return part.node;
}

function makeStep(step, arrow = true) {
  const part = {};
  parts.set(step.id, part);
  const children = arrow ? [makeArrow(part), makeNode(step, part)] : [makeNode(step, part)];
  return children;
}

function makeGroup(group) {
  if (group.shape === "step") {
    const [step] = group.steps;
    return make("li", { class: "step" }, ...makeStep(step, step.kind !== "source"));
  }
  const branches = group.steps.map((step) => make("li", {}, ...makeStep(step)));
  const either = group.shape === "either";
  const label = either ? "A line takes one of these" : group.last ? "Sinks" : "Sinks here; the line goes on behind them";
  const item = make("li", { class: `fork ${group.shape}${group.last ? " last" : ""}${!either && branches.length >= MANY ? " many" : ""}` }, make("ul", { "aria-label": label }, ...branches));
  if (either) item.append(make("span", { class: "more", "aria-hidden": "true" }, label));
  return item;
}

function build(flow) {
  parts.clear();
  const picture = byId("flow");
  picture.replaceChildren(...grouped(flow).map(makeGroup));
  picture.classList.toggle("dense", flow.length > DENSE);
}

function update(step, status) {
  const part = parts.get(step.id);
  const choke = status.bottleneck?.id === step.id;
  const down = step.kind === "sink" && step.up === false;
  if (part.rate) {
    setText(part.rate, `${rate(step.in_rate)}/s`);
    setClass(part.arrow, step.in_rate > 0 ? "arrow" : "arrow still");
  }
  if (step.kind === "source") setText(part.busy, `${megabytes(step.bytes_rate)} MB/s`);
  else setText(part.busy, `busy ${percent(step.busy)}`);
  setBar(part.bar, step.busy, choke ? "note" : "");
  show(part.errors, step.error_rate > 0);
  if (step.error_rate > 0) setText(part.errors, `${rate(step.error_rate)}/s fail`);
  show(part.choke, choke);
  show(part.flag, down);
  if (down) {
    const sink = status.sinks.find((one) => `sink:${one.id}` === step.id);
    const since = sink?.since ? ` since ${exactly(sink.since, status.now)}` : "";
    setText(part.flag, `Down${since}${sink ? ` (${lasted(sink.down_seconds)})` : ""}`);
  }
  setClass(part.node, `node${down ? " bad" : choke ? " note" : ""}`);
}

export function drawFlow(status) {
  const shape = JSON.stringify(status.flow.map((step) => [step.id, step.kind, step.label, step.use, step.only, step.when]));
  if (shape !== drawn) build(status.flow);
  drawn = shape;
  for (const step of status.flow) update(step, status);
  const choke = status.bottleneck;
  show(byId("bottleneck"), Boolean(choke));
  if (choke) setText(byId("bottleneck"), `Bottleneck: ${named(choke.id, status)}${choke.why ? `. ${capital(choke.why)}` : ""}`);
}
