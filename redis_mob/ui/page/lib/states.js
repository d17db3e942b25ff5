// How a run, a step or a member stands: each state has a word, a colour and a shape of its own.
import { html } from "../vendor/htm-preact.js";

const SHAPES = {
  pending: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11zM8 5v3.2l2 1.6",
  waiting: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11z",
  running: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11zM6.6 5.6L10.4 8L6.6 10.4z",
  completed: "M3 8.4L6.4 12L13 4.4",
  failed: "M4 4L12 12M12 4L4 12",
  skipped: "M3 4.5L7 8L3 11.5M8.5 4.5L12.5 8L8.5 11.5",
  canceled: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11zM4.2 11.8L11.8 4.2",
  paused: "M5.5 3.5V12.5M10.5 3.5V12.5",
  lost: "M8 2.5L14 13H2zM8 6.5V9.5M8 11.2V11.4",
};

export const RUN_STATES = ["pending", "running", "completed", "failed", "canceled"];
export const STEP_STATES = ["waiting", "running", "completed", "failed", "skipped", "canceled"];

export function known(state) {
  return Object.hasOwn(SHAPES, state) ? state : "waiting";
}

const paths = new Map();

/** The shape on a canvas of 16 by 16. */
export function shapeOf(state) {
  const name = known(state);
  if (!paths.has(name)) paths.set(name, new Path2D(SHAPES[name]));
  return paths.get(name);
}

export function StateIcon({ state }) {
  return html`<svg class=${`icon state-${known(state)}`} viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[known(state)]} /></svg>`;
}

export function StateTag({ state, label }) {
  return html`<span class=${`tag state-${known(state)}`}><${StateIcon} state=${state} />${label ?? state}</span>`;
}

let colors = null;

/** The colours that the style sheet gives to states and to parts of pictures, as a canvas wants them. */
export function canvasColors() {
  if (colors) return colors;
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const read = (name) => {
    probe.className = name;
    return getComputedStyle(probe).color;
  };
  colors = Object.fromEntries(Object.keys(SHAPES).map((state) => [state, read(`state-${state}`)]));
  for (const part of ["text", "muted", "line", "surface", "accent", "box"]) colors[part] = read(`paint-${part}`);
  probe.remove();
  return colors;
}

const forgotten = new Set();

/** Calls `then` when the colours are others: another theme was chosen, here or by the system. */
export function onTheme(then) {
  forgotten.add(then);
  return () => forgotten.delete(then);
}

export function themeChanged() {
  colors = null;
  for (const then of forgotten) then();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
