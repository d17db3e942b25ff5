// All of one step: its members and their attempts, what it was told, what it answered, why it failed.
import { html, useEffect } from "../vendor/htm-preact.js";
import { path, useLoad } from "../lib/api.js";
import { useKeys } from "../lib/keys.js";
import { useCalm } from "../lib/live.js";
import { href } from "../lib/router.js";
import { StateIcon, StateTag } from "../lib/states.js";
import { Block, Moment, Text, Told, clean, duration, number } from "../lib/text.js";
import { Problem, Skeleton } from "./notices.js";
import { Progress } from "./progress.js";

function Attempts({ attempts, state }) {
  // one that waits for an answer or a child is not over, and not at work
  const outcome = (one) => (one.outcome === "running" ? state : one.outcome);
  if (!attempts?.length) return null;
  return html`<ol class="plain attempts">${attempts.map(
    (one, index) => html`<li key=${index}><${StateIcon} state=${outcome(one)} /><span>attempt ${index + 1}, ${outcome(one)}</span>
      <span class="muted"><${Moment} at=${one.began_at} fraction=${true} />${one.ended_at && html` ${"\u00b7"} ${duration((Date.parse(one.ended_at) - Date.parse(one.began_at)) / 1000)}`}</span>
      ${one.reason && html`<p class="reason"><${Text} of=${one.reason} /></p>`}
      ${one.traceback && html`<details><summary>Traceback</summary><${Block} value=${one.traceback} label="Traceback" /></details>`}
    </li>`,
  )}</ol>`;
}

function WaitsFor({ waits }) {
  if (!waits) return null;
  return html`<p class="waits"><${StateIcon} state="waiting" /><span>waits for <${Text} of=${waits.text} />${waits.until && html` until <${Moment} at=${waits.until} />`}${waits.kind === "answer" && html` ${"\u00b7"} <a href=${href(["inbox"])}>Inbox</a>`}</span></p>`;
}

function Member({ member, output }) {
  return html`<li class="member">
    <div class="line"><${StateTag} state=${member.state} /><strong><${Text} of=${member.member} /></strong><span class="figure muted">${duration(member.seconds)}</span></div>
    ${member.worker && html`<p class="muted">at work in <${Text} of=${member.worker.host ?? member.worker.id} /> ${member.worker.pid ?? ""}</p>`}
    <${WaitsFor} waits=${member.waits_for} />
    ${member.child && html`<p class="line">runs <a href=${href(["runs", member.child.run_id])}><${Text} of=${member.child.flow_id} /></a> ${member.child.status && html`<${StateTag} state=${member.child.status} />`}</p>`}
    ${member.reason && !member.attempts?.some((one) => one.reason) && html`<p class="reason"><${Text} of=${member.reason} /></p>`}
    <${Attempts} attempts=${member.attempts} state=${member.state} />
    ${member.message && html`<details><summary>Message</summary><${Told} told=${member.message} label=${`Message to ${clean(member.member)}`} /></details>`}
    ${member.output && html`<details><summary>Output</summary><${Told} told=${member.output} label=${`Output of ${clean(member.member)}`} download=${`${output}&${new URLSearchParams({ member: member.member })}`} /></details>`}
  </li>`;
}

/** How many items have not completed, and why. */
function counts({ items, completed, failed, open, not_begun }) {
  const canceled = items - completed - failed - open - not_begun;
  const others = [[failed, "failed"], [open, "open"], [not_begun, "not begun"], [canceled, "canceled"]];
  return others.filter(([count]) => count > 0).map(([count, what]) => `, ${number(count)} ${what}`).join("");
}

function Failure({ failure }) {
  return html`<section class="failure"><h3>${failure.error_class ? html`<${Text} of=${failure.error_class} />` : "Failure"}${failure.member && html` <span class="muted"><${Text} of=${failure.member} /></span>`}</h3>
    <${Told} told=${failure.reason} label="Reason" />
    ${failure.detail !== null && failure.detail !== undefined && html`<${Block} value=${failure.detail} label="Details of the failure" />`}
    ${failure.traceback && html`<details open><summary>Traceback</summary><${Told} told=${failure.traceback} label="Traceback" /></details>`}
  </section>`;
}

export function StepPanel({ view, place, stand, tellers, close, retry, canOperate }) {
  const { base } = view;
  const step = place.node;
  const url = `${base}/${path("steps", step.step_id)}?${new URLSearchParams({ frame: place.frame })}`;
  const details = useLoad(url);
  const again = useCalm(details.reload, 1000);
  const isRead = details.data !== null;
  useEffect(() => {
    if (isRead) again();
  }, [stand?.state, view.run]);
  useKeys({ Escape: close });
  const told = details.data;
  const members = told?.members ?? step.members ?? [];
  const output = `${base}/${path("output", step.step_id)}?${new URLSearchParams({ frame: place.frame })}`;
  return html`<aside class="panel step-panel" aria-label=${`Step ${clean(step.step_id)}`}>
    <header class="line"><h2><${Text} of=${step.step_id} />${place.rounds.length ? html` <span class="muted">iteration ${place.rounds.join(".")}</span>` : ""}</h2>
      <button type="button" class="quiet" aria-label="Close the step" title="Close (Esc)" onClick=${close}>${"\u2715"}</button></header>
    <div class="line"><${StateTag} state=${stand?.state ?? step.state} />${step.role && html`<span class="muted">role <${Text} of=${step.role} /></span>`}<span class="figure muted">${duration(told?.seconds ?? step.seconds)}</span>
      ${canOperate && html`<span class="actions"><button type="button" onClick=${retry}>Retry from here${"\u2026"}</button></span>`}</div>
    <${WaitsFor} waits=${step.waits_for} />
    ${step.reason && html`<p class="reason"><${Text} of=${step.reason} /></p>`}
    ${step.is_carried && html`<p class="muted">Its output comes from the run that this one was forked from.</p>`}
    ${step.items && html`<p>${number(step.items.completed)} of ${number(step.items.items)} items completed${counts(step.items)}.</p>`}
    ${details.error && html`<${Problem} error=${details.error} />`}
    ${!told && !details.error && html`<${Skeleton} lines=${4} />`}
    ${(told?.failures ?? []).map((failure, index) => html`<${Failure} key=${index} failure=${failure} />`)}
    <${Progress} tellers=${tellers} view=${view} only=${place.id} />
    ${told?.output && html`<section><h3>Output</h3><${Told} told=${told.output} label="Output" download=${output} />${!told.output.truncated && html`<p class="muted"><a href=${output} download>Download</a></p>`}</section>`}
    ${members.length > 0 && html`<h3>${step.items ? "Items" : "Members"}</h3>`}
    <ul class="plain members">${members.map((member) => html`<${Member} key=${member.member} member=${member} output=${output} />`)}</ul>
    ${told?.members_in_all > members.length && html`<p class="muted">${number(members.length)} of ${number(told.members_in_all)} ${step.items ? "items" : "members"}.</p>`}
  </aside>`;
}
