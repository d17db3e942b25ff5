// What the fleet does now.
import { html, useLayoutEffect, useState } from "../vendor/htm-preact.js";
import { useLoad } from "../lib/api.js";
import { useCalm, useLive } from "../lib/live.js";
import { href } from "../lib/router.js";
import { RUN_STATES, StateIcon, StateTag } from "../lib/states.js";
import { Moment, Text, duration, millis, number, short } from "../lib/text.js";
import { Empty, Problem, Skeleton } from "../parts/notices.js";

function Tiles({ runs, latency, perSecond, asks }) {
  const last = perSecond.slice(-11, -1);
  const rate = last.length ? last.reduce((sum, [, count]) => sum + count, 0) / last.length : 0;
  return html`<div class="tiles">
    ${RUN_STATES.map(
      (state) => html`<a key=${state} class="tile" href=${href(["runs"], { status: state })}>
        <span class="tile-name"><${StateIcon} state=${state} />${state}</span>
        <span class="tile-value">${number(runs[state] ?? 0)}</span>
      </a>`,
    )}
    <div class="tile"><span class="tile-name">Steps per second</span><span class="tile-value">${rate.toFixed(rate < 10 ? 1 : 0)}</span></div>
    <div class="tile"><span class="tile-name">A step takes</span><span class="tile-value small">p50 ${duration(latency?.p50)}<br />p99 ${duration(latency?.p99)}</span></div>
    <a class="tile" href=${href(["inbox"])}><span class="tile-name">Open asks</span><span class="tile-value">${number(asks ?? 0)}</span></a>
  </div>`;
}

/** The last two minutes, with the seconds in which nothing happened. */
function whole(perSecond, now) {
  const counts = new Map(perSecond);
  const last = Math.floor(now / 1000);
  return Array.from({ length: 120 }, (_, index) => [last - 119 + index, counts.get(last - 119 + index) ?? 0]);
}

function Spark({ perSecond }) {
  const most = Math.max(1, ...perSecond.map(([, count]) => count));
  const points = perSecond.map(([, count], index) => `${(index * 600) / Math.max(1, perSecond.length - 1)},${58 - (count / most) * 52}`);
  return html`<figure class="spark">
    <svg viewBox="0 0 600 60" preserveAspectRatio="none" role="img" aria-label=${`Steps per second in the last two minutes, at most ${number(most)}`}>
      ${points.length > 1 && html`<polygon class="spark-area" points=${`0,60 ${points.join(" ")} 600,60`} /><polyline class="spark-line" points=${points.join(" ")} />`}
    </svg>
    <figcaption><span>2 min ago</span><span>at most ${number(most)} / s</span><span>now</span></figcaption>
  </figure>`;
}

function age(at, now) {
  return at ? duration(Math.max(0, (now - millis(at)) / 1000)) : "\u2013";
}

function Queues({ queues, now }) {
  if (!queues.length) return html`<${Empty}>Nothing waits.</${Empty}>`;
  return html`<div class="scroll-x" tabindex="0" role="region" aria-label="Queues"><table>
    <thead><tr><th scope="col">Role</th><th scope="col" class="figure">Waiting</th><th scope="col" class="figure">At work</th><th scope="col" class="figure">Oldest</th><th scope="col" class="figure">Workers</th></tr></thead>
    <tbody>${queues.map(
      (queue) => html`<tr key=${`${queue.mob} ${queue.role} ${queue.release ?? ""}`}>
        <th scope="row"><${Text} of=${queue.role} /> <span class="muted">in <${Text} of=${queue.mob} /></span>${queue.release && html` <span class="muted"><${Text} of=${queue.release} /></span>`}
          ${queue.limit && html`<div class="muted hint"><${Text} of=${queue.limit.text} />: ${number(queue.limit.waiting)} wait</div>`}
          ${queue.unserved > 0 && html`<div class="state-failed hint">no worker takes ${number(queue.unserved)} of them</div>`}</th>
        <td class="figure">${number(queue.waiting)}</td>
        <td class="figure">${number(queue.executing)}</td>
        <td class="figure">${age(queue.oldest_at, now)}</td>
        <td class=${`figure ${queue.workers === 0 ? "state-failed" : ""}`}>${number(queue.workers)}</td>
      </tr>`,
    )}</tbody>
  </table></div>`;
}

function Workers({ workers, now }) {
  if (!workers.length) return html`<${Empty}>No worker has a lease. Start one with <code>redis-mob worker</code>.</${Empty}>`;
  return html`<ul class="plain workers">${workers.map(
    (worker) => html`<li key=${worker.id}>
      <div class="line"><strong><${Text} of=${worker.host} /> <span class="muted">${worker.pid}</span></strong>
        ${worker.release && html`<span class="muted"><${Text} of=${worker.release} /></span>`}
        <span class="figure">${number(worker.used)} of ${number(worker.slots)} slots</span></div>
      <meter min="0" max=${worker.slots || 1} value=${worker.used} aria-label="Slots in use"></meter>
      <ul class="plain executions">${(worker.executions ?? []).slice(0, 6).map(
        (one) => html`<li key=${`${one.run_id} ${one.step_id} ${one.member}`}><a href=${href(["runs", one.run_id], { node: one.frame_id ? `${one.frame_id}/${one.step_id}` : null, step: one.frame_id ? null : one.step_id })}><${Text} of=${one.step_id} /></a> <span class="muted"><${Text} of=${one.member} /></span> <span class="figure muted">${age(one.since, now)}</span></li>`,
      )}${(worker.executions ?? []).length > 6 && html`<li class="muted">and ${worker.executions.length - 6} more</li>`}</ul>
    </li>`,
  )}</ul>`;
}

function Failures({ failures }) {
  if (!failures.length) return html`<${Empty}>No run failed in the last hour.</${Empty}>`;
  return html`<ul class="plain failures clamped">${failures.slice(0, 20).map(
    (one) => html`<li key=${`${one.run_id} ${one.at}`}><${StateIcon} state="failed" />
      <div><a href=${href(["runs", one.run_id])}><${Text} of=${one.flow_id} /></a> <span class="muted"><${Text} of=${one.mob_id} /> ${"\u00b7"} <${Moment} at=${one.at} /></span>
      <p class="reason"><bdi>${short(one.reason, 240)}</bdi></p></div></li>`,
  )}</ul>`;
}

function Pauses({ pauses }) {
  if (!pauses?.length) return null;
  return html`<section class="panel wide"><h2>Paused</h2><ul class="plain">${pauses.map(
    (one, index) => html`<li key=${index}><${StateTag} state="paused" label=${one.run_id ? "run" : one.flow_id ? "flow" : "mob"} />
      ${one.run_id ? html`<a href=${href(["runs", one.run_id])}><${Text} of=${one.run_id} /></a>` : html`<${Text} of=${one.flow_id ?? one.mob_id} />`}
      <span class="muted"> since <${Moment} at=${one.since} /></span> <bdi>${short(one.reason ?? "")}</bdi></li>`,
  )}</ul></section>`;
}

export function Overview() {
  const { data, error, reload } = useLoad("api/overview");
  const [fresh, setFresh] = useState(null);
  useLayoutEffect(() => setFresh(data), [data]);
  useLive("overview", (change) => setFresh((now) => ({ ...now, ...change })));
  useLive("resync", useCalm(reload, 1000));
  const shown = fresh ?? data;
  if (error && !shown) return html`<h1>Overview</h1><${Problem} error=${error} />`;
  if (!shown) return html`<h1>Overview</h1><${Skeleton} lines=${10} />`;
  const now = millis(shown.now) || Date.now();
  const perSecond = whole(shown.steps_per_second ?? [], now);
  return html`<h1>Overview</h1>
    <${Tiles} runs=${shown.runs ?? {}} latency=${shown.latency} perSecond=${perSecond} asks=${shown.asks} />
    <section class="panel wide"><h2>Steps per second</h2><${Spark} perSecond=${perSecond} /></section>
    <div class="columns">
      <section class="panel"><h2>Queues</h2><${Queues} queues=${shown.queues ?? []} now=${now} /></section>
      <section class="panel"><h2>Workers <span class="count">${number(shown.workers_in_all ?? shown.workers?.length ?? 0)}</span></h2><${Workers} workers=${shown.workers ?? []} now=${now} /></section>
      <section class="panel"><h2>Failures of the last hour <span class="count">${number(shown.failures?.length ?? 0)}</span></h2><${Failures} failures=${shown.failures ?? []} /></section>
    </div>
    <${Pauses} pauses=${shown.pauses} />`;
}
