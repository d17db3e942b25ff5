// One run: its graph, now or at any moment of the past, its timeline, events, progress and definition.
import { html, useCallback, useEffect, useMemo, useState } from "../vendor/htm-preact.js";
import { useLoad } from "../lib/api.js";
import { useKeys } from "../lib/keys.js";
import { useCalm } from "../lib/live.js";
import { go, href, refine } from "../lib/router.js";
import { StateTag } from "../lib/states.js";
import { Block, Moment, Text, Told, clean, duration, number } from "../lib/text.js";
import { Actions, Retry } from "../parts/actions.js";
import { Events } from "../parts/events.js";
import { Graph } from "../parts/graph.js";
import { Empty, Problem, Skeleton } from "../parts/notices.js";
import { Progress } from "../parts/progress.js";
import { useHistory, useProgress, useRun } from "../parts/run_state.js";
import { StepPanel } from "../parts/step_panel.js";
import { Steps } from "../parts/steps.js";
import { Timeline } from "../parts/timeline.js";
import { Travel, useAt } from "../parts/travel.js";

const TABS = [
  ["graph", "Graph"],
  ["timeline", "Timeline"],
  ["events", "Events"],
  ["progress", "Progress"],
  ["definition", "Definition"],
];

function Facts({ run, status, steps }) {
  const isOver = ["completed", "failed", "canceled"].includes(status);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (isOver) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isOver]);
  const seconds = isOver || !run.begins_at ? run.seconds : Math.max(run.seconds, (now - Date.parse(run.begins_at)) / 1000);
  const facts = [
    ["Mob", html`<${Text} of=${run.mob_id} />`],
    ["Began", html`<${Moment} at=${run.begins_at} />`],
    ["Took", html`<span class="figure">${duration(seconds)}</span>`],
    ["Steps", html`<span class="facts-steps">${Object.entries(steps).map(([state, count]) => html`<${StateTag} key=${state} state=${state} label=${number(count)} />`)}</span>`],
    run.release && ["Release", html`<${Text} of=${run.release} />`],
    run.forked_from && ["Forked from", html`<a href=${href(["runs", run.forked_from.run_id])}><${Text} of=${run.forked_from.run_id.slice(0, 8)} /></a>`],
    run.parent && ["Part of", html`<a href=${href(["runs", run.parent.run_id])}><${Text} of=${run.parent.run_id.slice(0, 8)} /></a>`],
    run.deadline && !isOver && ["Deadline", html`<${Moment} at=${run.deadline} />`],
  ].filter(Boolean);
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${(run.summary || Object.keys(run.attributes ?? {}).length > 0) && html`<p class="chips">${run.summary && html`<${Text} of=${run.summary} />`} ${Object.entries(run.attributes ?? {}).map(([name, value]) => html`<a key=${name} class="chip" href=${href(["runs"], { attribute: `${name}=${value}` })}><${Text} of=${`${name}=${value}`} /></a>`)}</p>`}`;
}

function Waits({ run }) {
  const waits = run.waits_for ?? [];
  if (!waits.length) return null;
  return html`<ul class="plain waits-list">${waits.slice(0, 5).map((one, index) => html`<li key=${index}><${StateTag} state=${one.kind === "pause" ? "paused" : "waiting"} label=${one.kind} /> <span><${Text} of=${one.text} /></span></li>`)}</ul>`;
}

function Failures({ run }) {
  const failures = run.failures ?? [];
  if (!failures.length) return null;
  return html`<section class="panel" aria-label="Failures"><h2>Failures <span class="count">${failures.length}</span></h2>
    <ul class="plain clamped">${failures.slice(0, 20).map(
      (one, index) => html`<li key=${index}>
        ${one.step_id ? html`<a href=${href(["runs", run.run_id], { step: one.step_id })}><${Text} of=${one.step_id} /></a>` : html`<strong>The flow</strong>`}
        ${one.member && html` <span class="muted"><${Text} of=${one.member} /></span>`} <span class="muted"><${Moment} at=${one.at} /></span>
        <p class="reason"><${Text} of=${one.reason} /></p>
      </li>`,
    )}</ul></section>`;
}

function Definition({ view }) {
  const { data, error } = useLoad(`${view.base}/definition`);
  const params = useLoad(`${view.base}/params`);
  return html`<section class="panel"><h2>Parameters</h2>${params.data ? html`<${Told} told=${params.data} label="Parameters" download=${`${view.base}/params?whole`} />` : html`<${Skeleton} lines=${2} />`}</section>
    <section class="panel"><h2>Definition <span class="muted code">${clean(view.run.definition).slice(0, 12)}</span></h2>
      ${error ? html`<${Problem} error=${error} />` : data ? html`<${Block} value=${data} label="Definition" />` : html`<${Skeleton} lines=${10} />`}</section>`;
}

function Attempts({ view, open }) {
  const { data, error, reload } = useLoad(view.base);
  const again = useCalm(reload, 2000);
  useEffect(() => {
    if (data) again();
  }, [view.run]);
  if (error && !data) return html`<${Problem} error=${error} />`;
  return data ? html`<${Timeline} run=${data} open=${open} />` : html`<${Skeleton} lines=${10} />`;
}

function place(view, query) {
  const node = query.get("node");
  const step = query.get("step");
  if (node) return view.places.find((one) => one.id === node && one.node.kind === "step");
  if (!step) return undefined;
  const found = view.places.filter((one) => one.node.step_id === step);
  return found.find((one) => one.node.state === "running") ?? found.findLast((one) => one.node.state !== "waiting") ?? found[0];
}

export function Run({ id, tab = "graph", query, canOperate }) {
  const view = useRun(id);
  const history = useHistory(view);
  const tellers = useProgress(id);
  const [index, setIndex] = useState(null);
  const [retrying, setRetrying] = useState(null);
  useEffect(() => setIndex(null), [id]);
  const cursor = index === null ? null : (history.events[Math.min(index, history.events.length - 1)]?.cursor ?? null);
  const at = useAt(view.base, cursor);
  const found = useMemo(() => (view.run ? place(view, query) : undefined), [view.places, query.get("node"), query.get("step")]);
  const select = useCallback((node) => refine({ node, step: null }), []);
  const isGroup = (node) => view.places.some((one) => one.id === node && one.node.kind !== "step");
  const choose = useCallback((node) => select(node && isGroup(node) ? null : node), [view.places]);
  const turn = (by) => () => {
    const now = TABS.findIndex(([name]) => name === tab);
    go(["runs", id, TABS[(now + by + TABS.length) % TABS.length][0]]);
  };
  useKeys({ "]": turn(1), "[": turn(-1), Escape: () => (query.get("node") || query.get("step") ? select(null) : false) });

  if (view.error && !view.run)
    return html`<h1>Run <bdi class="muted">${clean(id).slice(0, 8)}</bdi></h1>${view.isGone ? html`<div class="problem" role="alert"><strong>Deleted</strong><p>This run was deleted. <a href=${href(["runs"])}>All runs</a></p></div>` : html`<${Problem} error=${view.error} />`}`;
  if (!view.run && !view.picture) return html`<h1>Run <bdi class="muted">${clean(id).slice(0, 8)}</bdi></h1><${Skeleton} lines=${12} />`;

  const current = view.run && TABS.some(([name]) => name === tab) ? tab : "graph";
  const isPast = index !== null && current === "graph";
  const states = isPast ? (at?.states ?? new Map()) : view.states;
  const status = isPast && at?.status ? at.status : view.status;
  const openStep = (step, rounds) => {
    const one = view.places.find((other) => other.node === step) ?? view.places.find((other) => other.node.node_id === step.node_id && String(other.rounds) === String(rounds));
    if (one) select(one.id);
  };
  const bodies = {
    graph: () => html`<${Travel} events=${history.events} index=${index} setIndex=${setIndex} />
      ${isPast && at?.error && html`<${Problem} error=${at.error} />`}
      ${view.pictureError && !view.picture ? html`<${Problem} error=${view.pictureError} />` : html`<${Graph} picture=${view.picture} states=${states} selected=${found?.id ?? null} select=${choose} />`}
      <h2>Steps ${isPast ? html`<span class="muted">as they were</span>` : ""}</h2>
      <${Steps} places=${view.places} nodes=${view.picture?.nodes} states=${states} selected=${found?.id ?? null} select=${select} isPast=${isPast} />`,
    timeline: () => html`<${Attempts} view=${view} open=${openStep} />`,
    events: () => (history.error && !history.events.length ? html`<${Problem} error=${history.error} />` : html`<${Events} runId=${id} events=${history.events} isLoading=${history.isLoading} />`),
    progress: () => html`<${Progress} tellers=${tellers} view=${view} />`,
    definition: () => html`<${Definition} view=${view} />`,
  };
  return html`
    <header class="run-head">
      <div class="line"><h1>${view.run ? html`<${Text} of=${view.run.flow_id} />` : "Run"}</h1>${status && html`<span class="run-status" aria-live="polite"><${StateTag} state=${view.run?.pauses?.length && !isPast && status === "running" ? "paused" : status} /></span>`}
        <span class="muted run-id"><bdi>${clean(id)}</bdi></span>
        ${canOperate && view.run && !view.isGone && html`<${Actions} view=${view} />`}</div>
      ${view.isGone && html`<div class="problem" role="alert"><strong>Deleted</strong><p>This run was deleted meanwhile. What was read of it is still here. <a href=${href(["runs"])}>All runs</a></p></div>`}
      ${view.error && !view.isGone && html`<${Problem} error=${view.error} />`}
      ${view.run ? html`<${Facts} run=${view.run} status=${view.status} steps=${view.steps} /><${Waits} run=${view.run} />` : html`<${Skeleton} lines=${2} />`}
    </header>
    <nav class="tabs" aria-label="Parts of the run">${TABS.map(([name, label]) => html`<a key=${name} href=${href(["runs", id, name], { node: query.get("node"), step: query.get("step") })} aria-current=${name === current ? "page" : undefined}>${label}</a>`)}</nav>
    <div class=${found ? "split" : ""}>
      <div class="tab-body">${bodies[current]()}${current === "graph" && view.run && html`<${Failures} run=${view.run} />`}</div>
      ${found && html`<${StepPanel} key=${found.id} view=${view} place=${found} stand=${states.get(found.id)} tellers=${tellers} canOperate=${canOperate} close=${() => select(null)} retry=${() => setRetrying(found.node.step_id)} />`}
      ${query.get("step") && !found && html`<${Empty}>The run has no step <${Text} of=${query.get("step")} />.</${Empty}>`}
    </div>
    ${retrying && html`<${Retry} view=${view} stepId=${retrying} close=${() => setRetrying(null)} />`}`;
}
