// A long list of which only the rows in sight are in the document. Rows have one height; the page scrolls, not the list.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.js";

const MARGIN = 12;
// browsers place nothing beyond about 33 million pixels
const TALLEST = 30_000_000;

export function scroller() {
  return document.getElementById("content");
}

/**
 * `row(item, index)` gives what is in a row. `more` is called when the end comes into sight. `focus` is the index of the
 * row that has to be in sight.
 */
export function VirtualList({ items, height, row, keyOf, label, more, focus = -1, total, className = "" }) {
  const box = useRef(null);
  const [range, setRange] = useState([0, 40]);

  const look = useRef(null);
  look.current = () => {
    const element = box.current;
    const view = scroller();
    if (!element || !view) return;
    const top = view.getBoundingClientRect().top - element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / height) - MARGIN);
    const last = Math.min(items.length, Math.ceil((top + view.clientHeight) / height) + MARGIN);
    setRange((now) => (now[0] === first && now[1] === last ? now : [first, Math.max(first, last)]));
    if (more && last >= items.length - MARGIN) more();
  };

  useEffect(() => {
    const view = scroller();
    let frame = 0;
    const soon = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        look.current();
      });
    };
    view.addEventListener("scroll", soon, { passive: true });
    const observer = new ResizeObserver(soon);
    observer.observe(view);
    observer.observe(box.current.parentElement);
    return () => {
      view.removeEventListener("scroll", soon);
      observer.disconnect();
      cancelAnimationFrame(frame);
    };
  }, []);

  useLayoutEffect(() => look.current(), [items.length, height]);

  useLayoutEffect(() => {
    const view = scroller();
    if (focus < 0 || !view) return;
    const offset = box.current.getBoundingClientRect().top - view.getBoundingClientRect().top;
    const top = offset + focus * height;
    if (top < 8) view.scrollTop += top - 8;
    else if (top + height > view.clientHeight) view.scrollTop += top + height - view.clientHeight + 8;
  }, [focus]);

  const [first, last] = range;
  return html`<div ref=${box} class=${`rows ${className}`} role="list" aria-label=${label}
    style=${{ height: `${Math.min(items.length * height, TALLEST)}px` }}>
    ${items.slice(first, last).map(
      (item, index) =>
        html`<div key=${keyOf(item)} role="listitem" class="row" aria-setsize=${total ?? items.length} aria-posinset=${first + index + 1}
          style=${{ height: `${height}px`, transform: `translateY(${(first + index) * height}px)` }}>${row(item, first + index)}</div>`,
    )}
  </div>`;
}
