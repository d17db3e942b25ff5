// A slider over the events of a run: the graph as it was after each of them.
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { get } from "../lib/api.js";
import { Moment, Text } from "../lib/text.js";

const PLAY_MS = 250;

/** States at a cursor. One request is under way at a time; what is asked for meanwhile waits, the latest alone. */
export function useAt(base, cursor) {
  const [at, setAt] = useState(null);
  const own = useRef({ busy: false, wanted: null, alive: true });
  useEffect(() => {
    own.current.alive = true;
    return () => {
      own.current.alive = false;
    };
  }, []);
  useEffect(() => {
    const it = own.current;
    it.wanted = cursor;
    if (cursor === null) setAt(null);
    else if (!it.busy) read();
    async function read() {
      it.busy = true;
      while (it.alive && it.wanted !== null) {
        const asked = it.wanted;
        try {
          const answer = await get(`${base}/at?cursor=${asked}`);
          if (it.alive && it.wanted !== null) setAt({ ...answer, states: new Map(Object.entries(answer.states)) });
        } catch (error) {
          if (it.alive) setAt((before) => ({ ...before, error }));
        }
        if (it.wanted === asked) break;
      }
      it.busy = false;
    }
  }, [base, cursor]);
  return at;
}

export function Travel({ events, index, setIndex }) {
  const [isPlaying, setPlaying] = useState(false);
  const isLive = index === null;
  const last = events.length - 1;
  const place = isLive ? last : Math.min(index, last);
  useEffect(() => {
    if (!isPlaying) return undefined;
    const timer = setInterval(() => setIndex((now) => (now === null ? 0 : now + 1)), PLAY_MS);
    return () => clearInterval(timer);
  }, [isPlaying]);
  useEffect(() => {
    if (isPlaying && (isLive || index >= last)) {
      setPlaying(false);
      setIndex(null);
    }
  }, [isPlaying, index, last]);
  if (last < 0) return html`<div class="travel"></div>`;
  const event = events[place];
  const play = () => {
    if (!isPlaying) setIndex(isLive ? 0 : index);
    setPlaying(!isPlaying);
  };
  const step = (by) => () => setIndex(Math.max(0, Math.min(last, place + by)));
  return html`<div class="travel" role="group" aria-label="Time travel">
    <button type="button" onClick=${play} aria-label=${isPlaying ? "Stop" : "Play from the beginning"} title=${isPlaying ? "Stop" : "Play"}>${isPlaying ? "\u25a0" : "\u25b6"}</button>
    <button type="button" onClick=${step(-1)} disabled=${place <= 0} aria-label="One event back">${"\u2039"}</button>
    <input type="range" min="0" max=${last} value=${place} aria-label="Moment of the run, by events" aria-valuetext=${event ? `event ${place + 1} of ${events.length}: ${event.type.replaceAll("_", " ")} ${event.step_id ?? ""}` : ""}
      onInput=${(input) => setIndex(Number(input.currentTarget.value))} />
    <button type="button" onClick=${step(1)} disabled=${place >= last} aria-label="One event on">${"\u203a"}</button>
    <button type="button" class=${isLive ? "primary" : ""} aria-pressed=${isLive} onClick=${() => setIndex(null)}>Now</button>
    <span class="travel-event">${event && html`<${Moment} at=${event.at} fraction=${true} /> <${Text} of=${event.type.replaceAll("_", " ")} /> <${Text} of=${event.step_id ?? ""} className="name" />`}</span>
  </div>`;
}
