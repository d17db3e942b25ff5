// A dialog that asks once before something is done, and does it once.
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { useKey } from "../lib/api.js";
import { clean } from "../lib/text.js";

let number = 0;

/**
 * `act(key)` does it; the dialog closes when that is done, and stays open with the error if it fails.
 */
export function Dialog({ title, children, verb, act, close, danger = false, ready = true }) {
  const box = useRef(null);
  const key = useKey();
  const [id] = useState(() => `dialog-${(number += 1)}`);
  const [state, setState] = useState({ busy: false, error: null });

  useEffect(() => {
    const element = box.current;
    const opener = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      opener?.focus?.();
    };
  }, []);

  async function submit(event) {
    event.preventDefault();
    if (state.busy || !ready) return;
    setState({ busy: true, error: null });
    try {
      await key.once(act);
      close();
    } catch (error) {
      setState({ busy: false, error });
    }
  }

  const cancel = (event) => {
    event.preventDefault();
    close();
  };
  return html`<dialog ref=${box} aria-labelledby=${id} onCancel=${cancel}>
    <form onSubmit=${submit}>
      <h2 id=${id}>${title}</h2>
      ${children}
      ${state.error && html`<p class="problem" role="alert"><bdi>${clean(state.error.message)}</bdi></p>`}
      <div class="buttons">
        <button type="button" onClick=${close}>${"Back"}</button>
        <button type="submit" class=${danger ? "danger" : "primary"} disabled=${state.busy || !ready}>
          ${state.busy ? "One moment\u2026" : verb}
        </button>
      </div>
    </form>
  </dialog>`;
}
