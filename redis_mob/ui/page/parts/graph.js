// The graph of a run, moved and zoomed by mouse, fingers and keys. The same steps stand beside it as a list, for keyboards
// and screen readers.
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { onTheme } from "../lib/states.js";
import { clean } from "../lib/text.js";
import { Drawing } from "./drawing.js";

function listen(drawing, select) {
  const { canvas } = drawing;
  const pointers = new Map();
  let travelled = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const acts = {
    pointerdown(event) {
      canvas.setPointerCapture(event.pointerId);
      if (!pointers.size) travelled = 0;
      pointers.set(event.pointerId, place(event));
    },
    pointermove(event) {
      if (!drawing.picture) return;
      const [x, y] = place(event);
      const before = pointers.get(event.pointerId);
      if (!before) {
        const node = drawing.hit(x, y);
        canvas.classList.toggle("over", Boolean(node));
        canvas.title = node ? clean(node.label ?? node.step_id) : "";
        return;
      }
      pointers.set(event.pointerId, [x, y]);
      travelled += Math.abs(x - before[0]) + Math.abs(y - before[1]);
      if (pointers.size === 1) {
        if (travelled > 4) drawing.pan(x - before[0], y - before[1]);
        return;
      }
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const reach = ([ax, ay]) => Math.hypot(ax - other[0], ay - other[1]) || 1;
      drawing.zoom(reach([x, y]) / reach(before), (x + other[0]) / 2, (y + other[1]) / 2);
    },
    pointerup(event) {
      pointers.delete(event.pointerId);
      if (travelled > 4 || pointers.size || !drawing.picture) return;
      const node = drawing.hit(...place(event));
      select(node ? node.id : null);
    },
    pointercancel(event) {
      pointers.delete(event.pointerId);
    },
    wheel(event) {
      if (!drawing.picture) return;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        drawing.zoom(Math.exp(-event.deltaY / 300), ...place(event));
        return;
      }
      const [dx, dy] = event.shiftKey && !event.deltaX ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
      if (!drawing.canPan(dx, dy)) return;
      event.preventDefault();
      drawing.pan(-dx, -dy);
    },
    keydown(event) {
      const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
      if (!drawing.picture) return;
      if (Object.hasOwn(steps, event.key)) drawing.pan(...steps[event.key]);
      else if (event.key === "+" || event.key === "=") drawing.zoom(1.25);
      else if (event.key === "-") drawing.zoom(0.8);
      else if (event.key === "0") drawing.fit(true);
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
  };
  for (const [type, act] of Object.entries(acts)) canvas.addEventListener(type, act, { passive: false });
  return () => {
    for (const [type, act] of Object.entries(acts)) canvas.removeEventListener(type, act);
  };
}

/** `states` is a map from the id of a node to how it stands. */
export function Graph({ picture, states, selected, select }) {
  const canvas = useRef(null);
  const [drawing, setDrawing] = useState(null);
  const choose = useRef(select);
  choose.current = select;

  useEffect(() => {
    const made = new Drawing(canvas.current);
    const unlisten = listen(made, (id) => choose.current(id));
    const untheme = onTheme(() => made.soon());
    const observer = new ResizeObserver(() => {
      if (made.picture && !made.wasMoved) made.fit();
      made.soon();
    });
    observer.observe(canvas.current);
    setDrawing(made);
    return () => {
      unlisten();
      untheme();
      observer.disconnect();
      cancelAnimationFrame(made.frame);
    };
  }, []);

  useEffect(() => {
    if (drawing && picture) drawing.show(picture);
  }, [drawing, picture]);

  useEffect(() => {
    if (!drawing) return;
    drawing.states = states;
    drawing.soon();
  }, [drawing, states]);

  useEffect(() => {
    if (!drawing || !picture) return;
    drawing.selected = selected;
    const node = selected && picture.nodes.find((one) => one.id === selected);
    if (node) drawing.reveal(node);
    drawing.soon();
  }, [drawing, picture, selected]);

  const buttons = [
    ["+", "Zoom in", () => drawing?.zoom(1.25)],
    ["\u2212", "Zoom out", () => drawing?.zoom(0.8)],
    ["\u2922", "Show all of the graph", () => drawing?.fit(true)],
  ];
  return html`<div class="graph">
    <canvas ref=${canvas} tabindex="0" role="img"
      aria-label="Graph of the flow. The steps are in the list below. Arrow keys move it, plus and minus zoom, 0 shows all."></canvas>
    <div class="graph-buttons">
      ${buttons.map(([sign, label, act]) => html`<button key=${sign} type="button" aria-label=${label} title=${label} onClick=${act}>${sign}</button>`)}
    </div>
  </div>`;
}
