// What is different between two values, line by line of their JSON.
import { html } from "../vendor/htm-preact.js";
import { clean, pretty } from "../lib/text.js";

const MOST = 2000;
const AROUND = 3;

/** `[kind, line]` with kind " ", "-" or "+". */
export function diffLines(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let ends = 0;
  while (
    ends < before.length - start &&
    ends < after.length - start &&
    before[before.length - 1 - ends] === after[after.length - 1 - ends]
  )
    ends += 1;
  const a = before.slice(start, before.length - ends);
  const b = after.slice(start, after.length - ends);
  const same = (lines) => lines.map((line) => [" ", line]);
  return [...same(before.slice(0, start)), ...middle(a, b), ...same(before.slice(before.length - ends))];
}

function middle(a, b) {
  if (a.length * b.length > MOST * MOST) return [...a.map((line) => ["-", line]), ...b.map((line) => ["+", line])];
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  const found = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push([" ", a[i]]);
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
      found.push(["-", a[i]]);
      i += 1;
    } else {
      found.push(["+", b[j]]);
      j += 1;
    }
  }
  return found;
}

function folded(lines) {
  const near = new Uint8Array(lines.length);
  lines.forEach(([kind], index) => {
    if (kind !== " ") near.fill(1, Math.max(0, index - AROUND), index + AROUND + 1);
  });
  const found = [];
  let hidden = 0;
  lines.forEach((line, index) => {
    if (near[index]) {
      if (hidden) found.push(["@", `${hidden} equal lines`]);
      hidden = 0;
      found.push(line);
    } else hidden += 1;
  });
  if (hidden) found.push(["@", `${hidden} equal lines`]);
  return found;
}

const KINDS = { "+": "added", "-": "removed", "@": "folded", " ": "" };
const SAID = { "+": "added: ", "-": "removed: " };

export function Diff({ before, after, label }) {
  const lines = folded(diffLines(pretty(before).split("\n"), pretty(after).split("\n")));
  const isSame = lines.every(([kind]) => kind === "@" || kind === " ");
  return html`<div class="diff block" role="region" tabindex="0" aria-label=${label}>
    ${isSame
      ? html`<div class="folded">${"No difference."}</div>`
      : lines.map(
          ([kind, line], index) =>
            html`<div key=${index} class=${KINDS[kind]}><span aria-hidden="true">${kind === "@" ? "\u22ef" : kind}</span>${SAID[kind] && html`<span class="unseen">${SAID[kind]}</span>`}<bdi>${clean(line)}</bdi></div>`,
        )}
  </div>`;
}
