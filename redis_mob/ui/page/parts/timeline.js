// The timeline of a run: a line for each member of each step, a bar for each of its attempts.
import { html, useMemo, useState } from "../vendor/htm-preact.js";
import { useKeys } from "../lib/keys.js";
import { StateIcon, known } from "../lib/states.js";
import { clean, duration, millis } from "../lib/text.js";
import { Empty } from "./notices.js";
import { useNarrow } from "./narrow.js";
import { VirtualList } from "./virtual_list.js";

function* members(nodes, rounds) {
  for (const node of nodes ?? []) {
    if (node.kind === "step") yield [node, rounds];
    else for (const one of node.iterations ?? []) yield* members(one.nodes, [...rounds, one.number]);
  }
}

function barsOf(member, now) {
  const attempts = member.attempts?.length
    ? member.attempts.map((one) => [millis(one.began_at), millis(one.ended_at) || null, one.outcome === "running" ? member.state : one.outcome, one.reason])
    : [[millis(member.began_at), millis(member.ended_at) || null, member.state, member.reason]];
  const queued = millis(member.queued_at);
  const first = attempts[0][0];
  const bars = attempts.filter(([began]) => !Number.isNaN(began)).map(([began, ended, state, reason]) => ({ began, ended: ended ?? now, state, reason }));
  if (!Number.isNaN(queued) && (Number.isNaN(first) || first > queued))
    bars.unshift({ began: queued, ended: Number.isNaN(first) ? millis(member.ended_at) || now : first, state: "queued", reason: null });
  return bars;
}

function linesOf(run, now) {
  const lines = [];
  for (const [step, rounds] of members(run.nodes, [])) {
    for (const member of step.members ?? [])
      lines.push({
        key: `${step.node_id} ${rounds.join(".")} ${member.member}`,
        step,
        member,
        rounds,
        bars: barsOf(member, now),
      });
  }
  return lines.filter((line) => line.bars.length).sort((a, b) => a.bars[0].began - b.bars[0].began);
}

/** Round moments between two times, about `count` of them. */
function ticks(from, to, count) {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

const said = ({ began, ended, state, reason }, zero) =>
  `${state}, after ${duration((began - zero) / 1000)}, for ${duration((ended - began) / 1000)}${reason ? `: ${clean(reason).slice(0, 200)}` : ""}`;

export function Timeline({ run, open }) {
  const isNarrow = useNarrow();
  const now = millis(run.completed_at) || millis(run.now);
  const lines = useMemo(() => linesOf(run, now), [run]);
  const zero = Math.min(millis(run.begins_at), ...lines.slice(0, 1).map((line) => line.bars[0].began));
  const whole = Math.max(1, now - zero);
  const [zoom, setZoom] = useState({ from: 0, span: 1 });
  const change = (factor, shift = 0) =>
    setZoom((before) => {
      const span = Math.min(1, Math.max(1e-5, before.span * factor));
      const center = before.from + before.span / 2 + shift * before.span;
      return { span, from: Math.min(1 - span, Math.max(0, center - span / 2)) };
    });
  useKeys({
    "+": () => change(0.5),
    "-": () => change(2),
    0: () => change(Infinity),
    h: () => change(1, -0.25),
    l: () => change(1, 0.25),
  });
  if (!lines.length) return html`<${Empty}>No member was asked yet.</${Empty}>`;

  const from = zoom.from * whole;
  const span = zoom.span * whole;
  const x = (at) => ((at - zero - from) / span) * 100;
  const marks = ticks(from, from + span, isNarrow ? 2 : 6);
  const wheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    change(event.deltaY > 0 ? 1.25 : 0.8);
  };
  const row = ({ step, member, rounds, bars }) => html`<button type="button" class="gantt-row" onClick=${() => open(step, rounds)}>
    <span class="gantt-name"><${StateIcon} state=${member.state} /><bdi class="name">${clean(step.step_id)}${rounds.length ? ` ${rounds.join(".")}` : ""}</bdi> <bdi class="muted">${clean(member.member)}</bdi></span>
    <svg class="gantt-track" aria-hidden="true">
      ${marks.map((at) => html`<line key=${`t${at}`} class="tick" x1=${`${x(at + zero)}%`} x2=${`${x(at + zero)}%`} y1="0" y2="100%" />`)}
      ${bars
        .filter((bar) => x(bar.ended) >= 0 && x(bar.began) <= 100)
        .map((bar, index) => {
          const left = Math.max(-1, x(bar.began));
          const width = Math.max(0.25, Math.min(101, x(bar.ended)) - left);
          return html`<rect key=${index} class=${`bar ${bar.state === "queued" ? "queued" : `state-${known(bar.state)}`}`} x=${`${left}%`} width=${`${width}%`} y="20%" height="60%" rx="3"><title>${said(bar, zero)}</title></rect>`;
        })}
    </svg>
    <span class="gantt-took figure muted">${duration(member.seconds)}</span>
    <span class="unseen">${bars.map((bar) => said(bar, zero)).join("; ")}</span>
  </button>`;
  return html`<div class="gantt" onWheel=${wheel}>
    <div class="toolbar">
      <button type="button" onClick=${() => change(0.5)} aria-label="Zoom in">+</button>
      <button type="button" onClick=${() => change(2)} aria-label="Zoom out">${"\u2212"}</button>
      <button type="button" onClick=${() => change(1, -0.25)} aria-label="Earlier">${"\u2190"}</button>
      <button type="button" onClick=${() => change(1, 0.25)} aria-label="Later">${"\u2192"}</button>
      <button type="button" onClick=${() => change(Infinity)}>All</button>
      <span class="muted figure">${duration(from / 1000)} to ${duration((from + span) / 1000)} of ${duration(whole / 1000)}</span>
    </div>
    <div class="gantt-axis" aria-hidden="true"><svg>
      ${marks.map((at) => html`<text key=${at} x=${`${x(at + zero)}%`} y="14" text-anchor=${x(at + zero) > 92 ? "end" : x(at + zero) < 4 ? "start" : "middle"}>${duration(at / 1000)}</text>`)}
    </svg></div>
    <${VirtualList} items=${lines} height=${32} label="Members by the beginning of their work" keyOf=${(line) => line.key} row=${row} />
  </div>`;
}
