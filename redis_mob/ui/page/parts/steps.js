// The steps of a run as a list: what the graph shows, for keyboards and screen readers.
import { html, useMemo, useState } from "../vendor/htm-preact.js";
import { useKeys } from "../lib/keys.js";
import { StateTag } from "../lib/states.js";
import { Text, clean, duration, number } from "../lib/text.js";
import { Empty } from "./notices.js";
import { VirtualList } from "./virtual_list.js";

const OVER = new Set(["completed", "failed", "canceled"]);

/** Why a step that waits does so, unless that is because of the steps before it. */
function Why({ node, stand }) {
  const waits = node.waits_for ?? node.members?.find((one) => one.waits_for)?.waits_for;
  if (stand?.state !== "waiting" || !waits || waits.kind === "dependency") return null;
  return html`<span class="muted">, waits for <${Text} of=${waits.text} /></span>`;
}

function tally(node, stand) {
  if (stand?.items) return `${number(stand.items.completed)} of ${number(stand.items.items)}`;
  const states = Object.values(stand?.members ?? {});
  return states.length < 2 ? "" : `${states.filter((one) => one === "completed").length} of ${states.length}`;
}

export function Steps({ places, nodes, states, selected, select, isPast = false }) {
  const details = useMemo(() => new Map((nodes ?? []).map((node) => [node.id, node.detail])), [nodes]);
  const rows = useMemo(() => {
    if (places.length) return places.filter(({ node }) => node.kind === "step");
    return (nodes ?? []).filter((node) => node.kind !== "loop").map((node) => ({ id: node.id, rounds: [], frame: null, node }));
  }, [places, nodes]);
  const [focus, setFocus] = useState(-1);
  const step = (by) => () => {
    const now = selected ? rows.findIndex((one) => one.id === selected) : focus;
    const next = Math.max(0, Math.min(rows.length - 1, now + by));
    setFocus(next);
    if (rows[next]) select(rows[next].id);
  };
  useKeys({ j: step(1), k: step(-1) });
  if (!rows.length) return html`<${Empty}>The run has not begun.</${Empty}>`;
  const row = ({ id, rounds, node }) => {
    const stand = states.get(id);
    return html`<button type="button" class=${`step-row ${id === selected ? "selected" : ""}`} aria-pressed=${id === selected} onClick=${() => select(id === selected ? null : id)}>
      <${StateTag} state=${stand?.state ?? "waiting"} />
      <span class="step-name"><bdi class="name">${clean(node.step_id)}</bdi>${rounds.length ? html` <span class="muted">iteration ${rounds.join(".")}</span>` : ""} <bdi class="muted">${clean(details.get(id) ?? node.role ?? "")}</bdi>${isPast ? "" : html`<${Why} node=${node} stand=${stand} />`}</span>
      <span class="figure muted">${tally(node, stand)}</span>
      <span class="figure">${duration(isPast && !OVER.has(stand?.state) ? null : node.seconds)}</span>
    </button>`;
  };
  return html`<${VirtualList} items=${rows} height=${38} label="Steps" keyOf=${(one) => one.id} row=${row} focus=${focus} />`;
}
