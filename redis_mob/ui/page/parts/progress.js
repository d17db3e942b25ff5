// What handlers tell while they are at work: how far they are, and their streams.
import { html } from "../vendor/htm-preact.js";
import { StateIcon } from "../lib/states.js";
import { Block, Text, pretty, short } from "../lib/text.js";
import { Empty } from "./notices.js";

/** What became of a member; one that was stopped has not told its end. */
function stateOf(teller, stand) {
  if (teller.over !== null) return teller.over ? "completed" : "failed";
  return stand?.members?.[teller.member] ?? stand?.state ?? "running";
}

/** How far it is matters as long as it is at work. */
function isAtWork(state) {
  return state === "running" || state === "waiting";
}

function saysMore({ report, streams }, state) {
  return isAtWork(state) || streams.size > 0 || Boolean(report?.message) || (report?.data ?? null) !== null;
}

function Teller({ teller, state, rounds }) {
  const { report } = teller;
  return html`<section class="panel teller">
    <h3><${StateIcon} state=${state} /><${Text} of=${teller.step_id} /> <span class="muted">${rounds.length ? `iteration ${rounds.join(".")} ` : ""}<${Text} of=${teller.member} /></span></h3>
    ${report && html`<div class="progress">
      ${isAtWork(state) && report.fraction !== null && report.fraction !== undefined && html`<progress max="1" value=${report.fraction} aria-label="Done"></progress><span class="figure">${Math.round(report.fraction * 100)} %</span>`}
      <bdi>${short(report.message ?? "", 200)}</bdi>
      ${report.data !== null && report.data !== undefined && html`<bdi class="muted">${short(pretty(report.data), 200)}</bdi>`}
    </div>`}
    ${[...teller.streams].map(([topic, text]) => html`<div key=${topic}>${topic !== "output" && html`<h4><${Text} of=${topic} /></h4>`}<${Block} value=${text} label=${`Stream of ${teller.step_id}`} className="stream" /></div>`)}
  </section>`;
}

export function Progress({ tellers, view, only = null }) {
  const found = [...tellers.values()]
    .filter((one) => !only || one.node === only)
    .map((teller) => ({ teller, state: stateOf(teller, view.states.get(teller.node)) }))
    .filter(({ teller, state }) => saysMore(teller, state))
    .toReversed();
  const rounds = new Map(view.places.map((one) => [one.id, one.rounds]));
  if (!found.length) return only ? null : html`<${Empty}>No handler of this run has told anything in the last day.</${Empty}>`;
  return html`<div class="tellers">${found.slice(0, 50).map(({ teller, state }) => html`<${Teller} key=${teller.key} teller=${teller} state=${state} rounds=${rounds.get(teller.node) ?? []} />`)}</div>`;
}
