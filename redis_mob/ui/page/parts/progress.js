// What handlers tell while they are at work: how far they are, and their streams.
import { html } from "../vendor/htm-preact.js";
import { StateIcon } from "../lib/states.js";
import { Block, Text, pretty, short } from "../lib/text.js";
import { Empty } from "./notices.js";

function Teller({ teller }) {
  const { report } = teller;
  const state = teller.over === null ? "running" : teller.over ? "completed" : "failed";
  return html`<section class="panel teller">
    <h3><${StateIcon} state=${state} /><${Text} of=${teller.step_id} /> <span class="muted"><${Text} of=${teller.member} /></span></h3>
    ${report && html`<div class="progress">
      ${report.fraction !== null && report.fraction !== undefined && html`<progress max="1" value=${report.fraction} aria-label="Done"></progress><span class="figure">${Math.round(report.fraction * 100)} %</span>`}
      <bdi>${short(report.message ?? "", 200)}</bdi>
      ${report.data !== null && report.data !== undefined && html`<bdi class="muted">${short(pretty(report.data), 200)}</bdi>`}
    </div>`}
    ${[...teller.streams].map(([topic, text]) => html`<div key=${topic}>${topic !== "output" && html`<h4><${Text} of=${topic} /></h4>`}<${Block} value=${text} label=${`Stream of ${teller.step_id}`} className="stream" /></div>`)}
  </section>`;
}

export function Progress({ tellers, only = null }) {
  const found = [...tellers.values()].filter((one) => !only || one.node === only).toReversed();
  if (!found.length) return only ? null : html`<${Empty}>No handler of this run has told anything in the last day.</${Empty}>`;
  return html`<div class="tellers">${found.slice(0, 50).map((teller) => html`<${Teller} key=${teller.key} teller=${teller} />`)}</div>`;
}
