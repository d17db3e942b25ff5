// What the page knows of one run: its description, its picture, how each node stands, its events, what its handlers tell.
import { useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { path, useLoad } from "../lib/api.js";
import { follow, useCalm, useLive } from "../lib/live.js";

const MOST_STREAM = 64 * 1024;
const CALM_MS = 1000;

/** Each step of a description with its place: the id of its node in the picture, and the rounds of the loops around it. */
export function* stepsOf(nodes, frame, rounds = []) {
  for (const node of nodes ?? []) {
    const id = `${frame}/${node.node_id}`;
    yield { id, frame, rounds, node };
    if (node.kind === "loop")
      for (const one of node.iterations ?? []) yield* stepsOf(one.nodes, one.frame_id, [...rounds, one.number]);
  }
}

export function rootFrame(runId) {
  return `${runId}-root`;
}

function standOf(node) {
  if (node.kind === "loop") return { state: node.state };
  const members = Object.fromEntries((node.members ?? []).map((one) => [one.member, one.state]));
  const done = (node.members ?? []).filter((one) => one.state === "completed").length;
  return { state: node.state, since: node.ended_at ?? node.began_at, members, completed: done, items: node.items };
}

/** The run, with what was heard of it since it was read. */
export function useRun(id) {
  const base = `api/${path("runs", id)}`;
  const picture = useLoad(`${base}/picture`);
  // the graph is drawn first: of a large run the description takes longer
  const run = useLoad(picture.data || picture.error ? `${base}?attempts=no` : null);
  const [heard, setHeard] = useState({ patches: new Map(), status: null, steps: null });
  const [isGone, setGone] = useState(false);

  useEffect(() => {
    setHeard({ patches: new Map(), status: null, steps: null });
    setGone(false);
  }, [id]);
  // what goes on is told in detail once there is something to show it in
  const isShown = Boolean(picture.data || picture.error);
  useEffect(() => {
    if (isShown) follow(id);
  }, [id, isShown]);
  useEffect(() => () => follow(null), [id]);

  // a long description is read less often
  const again = useCalm(run.reload, Math.max(CALM_MS, 8 * (run.took ?? 0)));
  const repaint = useCalm(picture.reload, Math.max(500, 4 * (picture.took ?? 0)));
  const shown = useRef(null);
  shown.current = useMemo(() => new Set((picture.data?.nodes ?? []).map((node) => node.id)), [picture.data]);

  useLive("run", (news) => {
    if (news.run_id && news.run_id !== id) return;
    const at = performance.now();
    setHeard((now) => {
      const patches = new Map(now.patches);
      for (const [node, state] of Object.entries(news.states ?? {})) patches.set(node, { state, at });
      return { patches, status: news.status ?? now.status, steps: news.steps ?? now.steps };
    });
    if (Object.keys(news.states ?? {}).some((node) => !shown.current.has(node))) repaint();
    again();
  });
  useLive("runs", ({ changed }) => {
    const found = changed.find((one) => one.run_id === id);
    if (!found) return;
    setHeard((now) => ({ ...now, status: found.status }));
    again();
  });
  useLive("gone", (news) => (!news.run_id || news.run_id === id) && setGone(true));
  useLive("resync", () => {
    again();
    repaint();
  });

  const places = useMemo(() => (run.data ? Array.from(stepsOf(run.data.nodes, rootFrame(id))) : []), [run.data]);
  const states = useMemo(() => {
    const found = new Map(places.map(({ id: node, node: one }) => [node, standOf(one)]));
    for (const [node, { state, at }] of heard.patches) if (!run.asked || at >= run.asked) found.set(node, { ...found.get(node), ...state });
    return found;
  }, [places, heard.patches]);
  useEffect(() => {
    if (!run.asked) return;
    setHeard((now) => ({ status: null, steps: null, patches: new Map([...now.patches].filter(([, { at }]) => at >= run.asked)) }));
  }, [run.data]);

  return {
    id,
    base,
    run: run.data,
    error: run.error,
    status: heard.status ?? run.data?.status,
    steps: heard.steps ?? run.data?.steps ?? {},
    picture: picture.data,
    pictureError: picture.error,
    places,
    states,
    isGone: isGone || run.error?.status === 410,
    reload: run.reload,
  };
}

/** All events of a run, small, and those that happen meanwhile; they are read once the run is. */
export function useHistory({ id, base, run }) {
  const { data, error, reload } = useLoad(run ? `${base}/history` : null);
  const [later, setLater] = useState([]);
  useEffect(() => setLater([]), [id]);
  useLive("events", ({ events }) => {
    const own = events.filter((event) => event.run_id === id);
    if (own.length) setLater((now) => [...now, ...own]);
  });
  useLive("resync", useCalm(reload, 1000));
  const events = useMemo(() => {
    const read = data?.events ?? data ?? [];
    const last = read.length ? read[read.length - 1].cursor : 0;
    return later.some((event) => event.cursor > last) ? [...read, ...later.filter((event) => event.cursor > last)] : read;
  }, [data, later]);
  return { events, error, isLoading: !data && !error };
}

function taken(tellers, entry) {
  const key = `${entry.frame_id}/${entry.node_id} ${entry.member}`;
  const before = tellers.get(key);
  if (before && (entry.offset <= before.offset || entry.fencing_token < before.token)) return;
  const isNew = !before || entry.fencing_token > before.token || entry.kind === "reset";
  const teller = isNew
    ? { key, step_id: entry.step_id, node: `${entry.frame_id}/${entry.node_id}`, member: entry.member, token: entry.fencing_token, report: null, streams: new Map(), over: null }
    : { ...before };
  teller.offset = entry.offset;
  if (entry.kind === "report") teller.report = entry;
  if (entry.kind === "end") teller.over = entry.succeeded;
  if (entry.kind === "chunk") {
    const text = typeof entry.value === "string" ? entry.value : `${JSON.stringify(entry.value)}\n`;
    const whole = (teller.streams.get(entry.topic) ?? "") + (entry.lost ? `\n\u2026 ${entry.lost} lost \u2026\n` : "") + text;
    teller.streams = new Map(teller.streams).set(entry.topic, whole.slice(-MOST_STREAM));
  }
  tellers.set(key, teller);
}

/** What handlers tell: of each member at each step its latest report, and the ends of its streams. */
export function useProgress(id) {
  const [tellers, setTellers] = useState(new Map());
  useEffect(() => setTellers(new Map()), [id]);
  useLive("progress", (news) => {
    if (news.run_id && news.run_id !== id) return;
    setTellers((now) => {
      const next = new Map(now);
      for (const entry of news.entries ?? []) if (entry.step_id) taken(next, entry);
      return next;
    });
  });
  return tellers;
}
