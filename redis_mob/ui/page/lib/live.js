// One stream of news for the whole page. What arrives is told once a frame, so that a burst costs one rendering.
import { useEffect, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.js";

const TYPES = ["hello", "overview", "runs", "events", "run", "progress", "gone", "trouble", "resync"];
const HIDDEN_MS = 5000;
const SILENT_MS = 35000;
const RUN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const listeners = new Map(TYPES.map((type) => [type, new Set()]));
const standListeners = new Set();
let stand = { state: "connecting", message: null, cursor: 0 };
let source = null;
let run = null;
let waiting = [];
let frame = 0;
let retry = 0;
let failures = 0;
let lastHeard = 0;
let lastId = "";
let wasOpen = false;

function setStand(change) {
  stand = { ...stand, ...change };
  for (const listener of standListeners) listener(stand);
}

function tell(type, data) {
  for (const listener of listeners.get(type)) listener(data);
}

function flush() {
  frame = 0;
  const batch = waiting;
  waiting = [];
  let cursor = stand.cursor;
  for (const [type, data, id] of batch) {
    tell(type, data);
    if (id > cursor) cursor = id;
  }
  if (cursor !== stand.cursor) setStand({ cursor });
}

function take(type, message) {
  lastHeard = performance.now();
  let data;
  try {
    data = JSON.parse(message.data);
  } catch {
    return;
  }
  if (message.lastEventId) lastId = message.lastEventId;
  if (type === "hello") {
    failures = 0;
    setStand({ state: "live", message: null });
    if (wasOpen) waiting.push(["resync", {}, 0]);
    wasOpen = true;
  } else if (type === "trouble") {
    setStand({ state: "trouble", message: data.message ?? null });
  } else if (stand.state === "trouble") {
    setStand({ state: "live", message: null });
    waiting.push(["resync", {}, 0]);
  }
  waiting.push([type, data, Number(message.lastEventId) || 0]);
  if (!frame) frame = requestAnimationFrame(flush);
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

function open() {
  close();
  const query = new URLSearchParams();
  if (RUN_ID.test(run)) query.set("run", run); // what is no id would be refused, again and again
  if (lastId) query.set("after", lastId);
  source = new EventSource(`api/live${query.size ? `?${query}` : ""}`);
  lastHeard = performance.now();
  for (const type of TYPES) source.addEventListener(type, (message) => take(type, message));
  source.onopen = () => {
    lastHeard = performance.now();
  };
  source.onerror = () => {
    if (stand.state !== "trouble") setStand({ state: "reconnecting" });
    if (source?.readyState === EventSource.CLOSED) later();
  };
}

function later() {
  close();
  failures += 1;
  retry = setTimeout(open, Math.min(500 * 2 ** Math.min(failures, 4), 5000));
}

let hiding = 0;

/** Begin to listen. A browser gives a host six connections: a tab that is not seen gives its own back. */
export function start() {
  open();
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(close, HIDDEN_MS);
    else if (!source) open();
  });
  setInterval(() => {
    if (source && performance.now() - lastHeard > SILENT_MS && source.readyState === EventSource.OPEN) open();
  }, 5000);
}

export function stop() {
  close();
}

/** The stream tells of one run in detail, or of none. */
export function follow(id) {
  if (id === run) return;
  run = id;
  if (source) open();
}

/** Calls `then` with the data of each message of a type, while the component is there. */
export function useLive(type, then) {
  const latest = useRef(then);
  latest.current = then;
  // nothing may be told between the first drawing and this
  useLayoutEffect(() => {
    const listener = (data) => latest.current(data);
    listeners.get(type).add(listener);
    return () => listeners.get(type).delete(listener);
  }, [type]);
}

/** How the stream stands: its state, the cursor of what was heard last, and the trouble there is. */
export function useStand() {
  const [now, setNow] = useState(stand);
  useEffect(() => {
    standListeners.add(setNow);
    setNow(stand);
    return () => standListeners.delete(setNow);
  }, []);
  return now;
}

/** Calls `then` at most once in `ms`, and once more after the last call. */
export function useCalm(then, ms) {
  const latest = useRef(then);
  latest.current = then;
  const pause = useRef(ms);
  pause.current = ms;
  const own = useRef({ timer: 0, last: 0 });
  useEffect(() => () => clearTimeout(own.current.timer), []);
  return useRef(() => {
    const it = own.current;
    if (it.timer) return;
    it.timer = setTimeout(() => {
      it.timer = 0;
      it.last = performance.now();
      latest.current();
    }, Math.max(0, it.last + pause.current - performance.now()));
  }).current;
}
