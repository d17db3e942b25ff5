// Keys: one letter, or `g` and a letter. The innermost component that is mounted last has the first say.
import { useEffect, useRef } from "../vendor/htm-preact.js";

const layers = [];
let leader = 0;

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(?:input|textarea|select)$/i.test(target.tagName));
}

function nameOf(event) {
  if (event.key.length === 1 && performance.now() < leader) {
    leader = 0;
    return `g ${event.key}`;
  }
  return event.key;
}

window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const isOpen = document.querySelector("dialog[open]") !== null;
  if (isOpen || (isTyping(event.target) && event.key !== "Escape")) return;
  const name = nameOf(event);
  if (name === "g") {
    leader = performance.now() + 1500;
    return;
  }
  for (const layer of layers.toReversed()) {
    const act = layer.current[name];
    if (act && act(event) !== false) {
      event.preventDefault();
      return;
    }
  }
});

/** What keys do while the component is there: `{"j": act, "g o": act}`; an act that returns false leaves the key alone. */
export function useKeys(acts) {
  const latest = useRef(acts);
  latest.current = acts;
  useEffect(() => {
    layers.push(latest);
    return () => layers.splice(layers.indexOf(latest), 1);
  }, []);
}
