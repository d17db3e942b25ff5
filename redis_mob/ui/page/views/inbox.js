// What handlers ask people: approve it as it is, approve another value, or deny it.
import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { send, useLoad } from "../lib/api.js";
import { useCalm, useLive } from "../lib/live.js";
import { useKeys } from "../lib/keys.js";
import { href } from "../lib/router.js";
import { Block, Moment, Text, clean, short } from "../lib/text.js";
import { Dialog } from "../parts/dialog.js";
import { Empty, Problem, Skeleton, notice } from "../parts/notices.js";
import { SchemaForm } from "../parts/schema_form.js";

function Card({ one, reload, canOperate, isChosen }) {
  const { ask } = one;
  const [value, setValue] = useState(ask.payload);
  const [isEditing, setEditing] = useState(false);
  const [message, setMessage] = useState("");
  const [asking, setAsking] = useState(null);
  const answer = (approved) => async (key) => {
    const body = { run_id: one.run_id, ask_id: ask.id, approved };
    if (approved && isEditing) body.value = value;
    if (message) body.message = message;
    await send("POST", "api/asks/answer", body, key);
    notice(approved ? "Approved; the run goes on." : "Denied; the run goes on.");
    reload();
  };
  const messageId = `message-${ask.id}`;
  return html`<article class=${`panel ask ${isChosen ? "selected" : ""}`} aria-label=${`${clean(ask.kind)} of ${clean(one.step_id)}`}>
    <header class="line"><h2><${Text} of=${ask.kind} /></h2><span class="muted">asked <${Moment} at=${ask.asked_at} />${ask.until && html`, until <${Moment} at=${ask.until} />`}</span></header>
    <p class="muted"><${Text} of=${one.target} /> at <a href=${href(["runs", one.run_id], { step: one.step_id })}><${Text} of=${one.step_id} /></a> of <${Text} of=${one.flow_id} />, mob <${Text} of=${one.mob_id} /></p>
    ${isEditing ? html`<${SchemaForm} schema=${ask.value_schema ?? null} value=${value} change=${setValue} label="Value" />` : html`<${Block} value=${ask.payload} label="What is asked" />`}
    ${canOperate &&
    html`<div class="field"><label for=${messageId}>Message (optional)</label><input id=${messageId} value=${message} maxlength="10000" onInput=${(event) => setMessage(event.currentTarget.value)} /></div>
      <div class="buttons">
        <button type="button" class="link" onClick=${() => setEditing(!isEditing)}>${isEditing ? "As it was asked" : "Edit the value"}</button>
        <button type="button" class="danger" onClick=${() => setAsking("deny")}>Deny${"\u2026"}</button>
        <button type="button" class="primary" disabled=${value === undefined} onClick=${() => setAsking("approve")}>${isEditing ? "Approve this value" : "Approve"}${"\u2026"}</button>
      </div>`}
    ${asking === "approve" && html`<${Dialog} title=${`Approve: ${short(ask.kind)}?`} verb="Approve" act=${answer(true)} close=${() => setAsking(null)}><p>The handler goes on with this value.</p><${Block} value=${isEditing ? value : ask.payload} label="Approved value" /></${Dialog}>`}
    ${asking === "deny" && html`<${Dialog} title=${`Deny: ${short(ask.kind)}?`} verb="Deny" danger=${true} act=${answer(false)} close=${() => setAsking(null)}><p>The handler goes on, and is told that this was denied.</p></${Dialog}>`}
  </article>`;
}

export function Inbox({ canOperate }) {
  const { data, error, reload } = useLoad("api/asks");
  const [chosen, setChosen] = useState(0);
  const again = useCalm(reload, 1000);
  useLive("overview", ({ asks }) => asks !== undefined && data && asks !== (data.asks ?? data).length && again());
  useLive("resync", again);
  const asks = data?.asks ?? data ?? [];
  const step = (by) => () => setChosen((now) => Math.max(0, Math.min(asks.length - 1, now + by)));
  useKeys({ j: step(1), k: step(-1) });
  useEffect(() => document.querySelectorAll(".ask")[chosen]?.scrollIntoView({ block: "nearest" }), [chosen]);
  if (error && !data) return html`<h1>Inbox</h1><${Problem} error=${error} />`;
  if (!data) return html`<h1>Inbox</h1><${Skeleton} />`;
  return html`<h1>Inbox <span class="count">${asks.length}</span></h1>
    ${asks.length === 0 && html`<${Empty}>No handler waits for an answer.</${Empty}>`}
    <div class="asks">${asks.map((one, index) => html`<${Card} key=${`${one.run_id} ${one.ask.id}`} one=${one} reload=${reload} canOperate=${canOperate} isChosen=${index === chosen} />`)}</div>`;
}
