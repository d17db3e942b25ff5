// The keys of the page.
import { html } from "../vendor/htm-preact.js";
import { STEP_STATES, StateTag } from "../lib/states.js";

const KEYS = [
  ["Everywhere", [["g o", "Overview"], ["g r", "Runs"], ["g i", "Inbox"], ["g c", "Config"], ["t", "Light, dark, or as the system says"], ["?", "This help"]]],
  ["Lists", [["j  k", "Next, previous"], ["Enter", "Open"], ["/", "Search"], ["Esc", "Close, or leave the search"]]],
  ["A run", [["[  ]", "Previous, next part"], ["\u2190  \u2192", "On the slider: one event back, on"], ["+  \u2212  0", "On the graph and the timeline: zoom, all"], ["\u2190 \u2191 \u2192 \u2193", "On the graph: move"]]],
];

export function Help() {
  return html`<h1>Help</h1>
    <div class="columns">${KEYS.map(
      ([title, keys]) => html`<section key=${title} class="panel"><h2>${title}</h2><dl class="keys">${keys.map(([key, what]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl></section>`,
    )}
    <section class="panel"><h2>States</h2><p class="chips">${STEP_STATES.map((state) => html`<${StateTag} key=${state} state=${state} />`)}</p></section></div>`;
}
