// What an operator does with a run. Each action asks once, and is done once.
import { html, useState } from "../vendor/htm-preact.js";
import { path, send } from "../lib/api.js";
import { go } from "../lib/router.js";
import { clean } from "../lib/text.js";
import { Dialog } from "./dialog.js";
import { notice } from "./notices.js";
import { SchemaForm, starting } from "./schema_form.js";

function Reason({ reason, set }) {
  return html`<div class="field"><label for="reason">Reason (optional)</label><input id="reason" value=${reason} maxlength="1000" onInput=${(event) => set(event.currentTarget.value)} /></div>`;
}

const ASKS = {
  cancel: {
    title: "Cancel this run?",
    text: "Members that are at work may end what they do; nothing new begins.",
    verb: "Cancel the run",
    done: "The run is being canceled.",
    danger: true,
    reason: true,
  },
  terminate: {
    title: "Terminate this run?",
    text: "It is over at once, without waiting for members that are at work.",
    verb: "Terminate the run",
    done: "The run was terminated.",
    danger: true,
    reason: true,
  },
  pause: {
    title: "Pause this run?",
    text: "What is under way goes on; no other step begins until it is resumed.",
    verb: "Pause the run",
    done: "The run is paused.",
    reason: true,
  },
  resume: { title: "Resume this run?", text: "Its steps begin again.", verb: "Resume the run", done: "The run goes on." },
  delete: {
    title: "Delete this run?",
    text: "The run, its outputs and its events are removed for good.",
    verb: "Delete the run",
    done: "The run was deleted.",
    danger: true,
  },
};

function Simple({ view, name, close }) {
  const ask = ASKS[name];
  const [reason, setReason] = useState("");
  const act = async (key) => {
    await send("POST", `${view.base}/${name}`, ask.reason && reason ? { reason } : {}, key);
    notice(ask.done);
    if (name === "delete") go(["runs"]);
    else view.reload();
  };
  return html`<${Dialog} title=${ask.title} verb=${ask.verb} danger=${ask.danger} act=${act} close=${close}>
    <p>${ask.text}</p>
    ${ask.reason && html`<${Reason} reason=${reason} set=${setReason} />`}
  </${Dialog}>`;
}

/** What the run waits for by name, with the schemas of the payloads. */
function waitedFor(view) {
  const found = new Map();
  const add = (waits) => waits?.signal && found.set(waits.signal, waits.payload_schema ?? null);
  for (const waits of view.run?.waits_for ?? []) add(waits);
  for (const { node } of view.places) {
    add(node.waits_for);
    for (const member of node.members ?? []) add(member.waits_for);
  }
  return found;
}

function Signal({ view, close }) {
  const waited = waitedFor(view);
  const [name, setName] = useState(waited.keys().next().value ?? "");
  const schema = waited.get(name) ?? null;
  const [payload, setPayload] = useState(() => (schema ? starting(schema) : null));
  const act = async (key) => {
    await send("POST", `${view.base}/signal`, { name, payload }, key);
    notice("The signal was sent.");
    view.reload();
  };
  const named = (event) => {
    const next = event.currentTarget.value;
    setName(next);
    if (waited.get(next)) setPayload(starting(waited.get(next)));
  };
  return html`<${Dialog} title="Send a signal" verb="Send" act=${act} close=${close} ready=${name !== "" && payload !== undefined}>
    <div class="field"><label for="signal">Name</label><input id="signal" list="signals" required value=${name} onInput=${named} />
      <datalist id="signals">${[...waited.keys()].map((one) => html`<option key=${one} value=${one}>${clean(one)}</option>`)}</datalist></div>
    <${SchemaForm} key=${name} schema=${schema} value=${payload} change=${setPayload} label="Payload" />
  </${Dialog}>`;
}

export function Retry({ view, stepId, close }) {
  const act = async (key) => {
    const answer = await send("POST", `${view.base}/retry`, { from: stepId }, key);
    notice("A new run was started from this step.");
    go(["runs", answer.run_id]);
  };
  return html`<${Dialog} title=${`Retry from ${clean(stepId)}?`} verb="Start the new run" act=${act} close=${close}>
    <p>A new run begins with this step. It takes along the outputs of the steps before it; this run stays as it is.</p>
  </${Dialog}>`;
}

export function Actions({ view }) {
  const [open, setOpen] = useState(null);
  const isOver = ["completed", "failed", "canceled"].includes(view.status);
  const isPaused = (view.run?.pauses ?? []).some((one) => one.run_id);
  const close = () => setOpen(null);
  const buttons = isOver
    ? [["delete", "Delete"]]
    : [
        ["signal", "Signal"],
        isPaused ? ["resume", "Resume"] : ["pause", "Pause"],
        view.run?.cancel_requested ? ["terminate", "Terminate"] : ["cancel", "Cancel"],
      ];
  return html`<div class="actions" role="group" aria-label="Actions">
    ${buttons.map(([name, label]) => html`<button key=${name} type="button" class=${ASKS[name]?.danger ? "danger" : ""} onClick=${() => setOpen(name)}>${label}${"\u2026"}</button>`)}
    ${open === "signal" ? html`<${Signal} view=${view} close=${close} />` : open && html`<${Simple} view=${view} name=${open} close=${close} />`}
  </div>`;
}
