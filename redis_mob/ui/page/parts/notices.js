// What the page has to say: of what was done in a corner, of what is wrong in the place where it is wrong.
import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { clean } from "../lib/text.js";

let show = () => {};
let number = 0;

/** Says for a few seconds what was done, or why it was not. */
export function notice(text, kind = "done") {
  show({ text: clean(text), kind, key: (number += 1) });
}

export function Notices() {
  const [notices, setNotices] = useState([]);
  useEffect(() => {
    show = (one) => {
      setNotices((before) => [...before.slice(-2), one]);
      setTimeout(() => setNotices((before) => before.filter((other) => other !== one)), one.kind === "wrong" ? 12000 : 5000);
    };
  }, []);
  return html`<div class="notices" role="status" aria-live="polite">
    ${notices.map((one) => html`<div key=${one.key} class=${`notice ${one.kind}`}><bdi>${one.text}</bdi></div>`)}
  </div>`;
}

const HINTS = {
  404: "It may have been deleted.",
  410: "It was deleted.",
  403: "Your token may only read.",
  503: "The page tries again by itself.",
  0: "The page tries again by itself.",
};

/** An error in the place of what could not be shown. */
export function Problem({ error }) {
  return html`<div class="problem" role="alert">
    <strong>${clean(error.kind ?? error.name ?? "Error")}</strong>
    <p><bdi>${clean(error.message)}</bdi> ${HINTS[error.status] ?? ""}</p>
  </div>`;
}

/** Grey lines in the place of what is being read. */
export function Skeleton({ lines = 6 }) {
  return html`<div class="skeleton" aria-busy="true" aria-label="Loading">
    ${Array.from({ length: lines }, (_, index) => html`<span key=${index}></span>`)}
  </div>`;
}

export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}
