// The list of runs: filters, search, and as many pages as are scrolled to.
import { html, useCallback, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { ApiError, get, useLoad } from "../lib/api.js";
import { useKeys } from "../lib/keys.js";
import { useCalm, useLive } from "../lib/live.js";
import { go, href, refine } from "../lib/router.js";
import { RUN_STATES, StateIcon, StateTag } from "../lib/states.js";
import { Moment, Text, clean, duration, millis, number, short } from "../lib/text.js";
import { Empty, Problem, Skeleton } from "../parts/notices.js";
import { useNarrow } from "../parts/narrow.js";
import { VirtualList } from "../parts/virtual_list.js";

const PAGE = 100;

function filterOf(query) {
  const search = new URLSearchParams();
  for (const name of ["status", "mob", "flow", "attribute", "text"]) {
    const value = query.get(name);
    if (value) search.set(name, value);
  }
  return search.toString();
}

/** Pages of runs by a filter, newest first; what changes meanwhile is put in its place. */
function usePages(filter) {
  const [pages, setPages] = useState({ filter: null, runs: [], next: null, error: null });
  const own = useRef({ filter: null, busy: false });

  const read = useCallback(
    async (after) => {
      if (own.current.busy === filter) return;
      own.current.busy = filter;
      try {
        const search = new URLSearchParams(filter);
        search.set("limit", PAGE);
        if (after) search.set("after", after);
        const page = await get(`api/runs?${search}`);
        if (own.current.filter !== filter) return;
        setPages((now) => {
          const known = after ? now.runs : [];
          const seen = new Set(known.map((run) => run.run_id));
          return { filter, runs: [...known, ...page.runs.filter((run) => !seen.has(run.run_id))], next: page.next, error: null };
        });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (own.current.filter === filter) setPages((now) => ({ ...now, filter, error }));
        if (error.isPassing) setTimeout(() => own.current.filter === filter && read(after), 2000);
      } finally {
        if (own.current.busy === filter) own.current.busy = false;
      }
    },
    [filter],
  );

  useEffect(() => {
    own.current.filter = filter;
    read(null);
    return () => {
      own.current.filter = null;
    };
  }, [filter]);

  const more = () => pages.next && !own.current.busy && !pages.error && read(pages.next);
  const merge = (changed) => {
    const search = new URLSearchParams(filter);
    const isWanted = (run) =>
      (!search.get("status") || search.getAll("status").includes(run.status)) &&
      (!search.get("mob") || search.get("mob") === run.mob_id) &&
      (!search.get("flow") || search.get("flow") === run.flow_id);
    setPages((now) => {
      const byId = new Map(changed.map((run) => [run.run_id, run]));
      const kept = now.runs.map((run) => byId.get(run.run_id) ?? run).filter((run) => isWanted(run));
      for (const run of now.runs) byId.delete(run.run_id);
      // what else is asked for than these three, the server alone can tell
      const isOpen = !search.get("text") && !search.get("attribute");
      const fresh = isOpen ? [...byId.values()].filter(isWanted) : [];
      const newest = now.runs.length ? now.runs[0].created_at : "";
      const added = fresh.filter((run) => run.created_at >= newest || !now.next);
      if (!added.length) return { ...now, runs: kept };
      const runs = [...added, ...kept].sort((a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : 0));
      return { ...now, runs };
    });
  };
  return { ...pages, isLoading: pages.filter !== filter, more, merge, reload: () => read(null) };
}

function RunRow({ run, isNarrow, selected, now }) {
  const seconds = Math.max(0, ((millis(run.completed_at) || now) - millis(run.launched_at ?? run.created_at)) / 1000);
  const attributes = Object.entries(run.attributes ?? {}).slice(0, 3);
  const about = run.failure ?? run.summary;
  return html`<a class=${`run-row ${isNarrow ? "narrow" : ""} ${selected ? "selected" : ""}`} href=${href(["runs", run.run_id])} aria-current=${selected ? "true" : undefined}>
    <span class="cell state"><${StateTag} state=${run.paused?.length && (run.status === "running" || run.status === "pending") ? "paused" : run.status} /></span>
    <span class="cell flow"><bdi class="name">${clean(run.flow_id)}</bdi> <bdi class="muted">${clean(run.mob_id)}</bdi></span>
    <span class="cell id muted"><bdi>${clean(run.run_id).slice(0, 8)}</bdi></span>
    <span class="cell about">${attributes.map(([name, value]) => html`<span key=${name} class="chip"><bdi>${short(`${name}=${value}`, 40)}</bdi></span>`)}
      <bdi class=${run.failure ? "state-failed" : "muted"}>${short(about ?? "", 120)}</bdi></span>
    <span class="cell when muted"><${Moment} at=${run.created_at} /></span>
    <span class="cell took figure">${duration(seconds)}</span>
  </a>`;
}

function Filters({ query, counts, mobs, search }) {
  const status = query.get("status") ?? "";
  const set = (name) => (event) => refine({ [name]: event.currentTarget.value });
  const flows = (mobs?.mobs ?? mobs ?? []).filter((one) => !query.get("mob") || one.mob_id === query.get("mob"));
  const names = Array.from(new Set(flows.flatMap((one) => one.flows ?? []))).map((one) => one.flow_id ?? one);
  return html`<form class="filters" role="search" onSubmit=${(event) => event.preventDefault()}>
    <div class="states" role="group" aria-label="Status">
      <button type="button" aria-pressed=${!status} onClick=${() => refine({ status: "" })}>All</button>
      ${RUN_STATES.map(
        (one) => html`<button key=${one} type="button" aria-pressed=${status === one} onClick=${() => refine({ status: status === one ? "" : one })}>
          <${StateIcon} state=${one} />${one}<span class="count">${counts ? number(counts[one] ?? 0) : "\u00a0"}</span></button>`,
      )}
    </div>
    <input ref=${search} type="search" placeholder="Search: id, summary, attributes" aria-label="Search runs" value=${query.get("text") ?? ""} onInput=${set("text")} />
    <select aria-label="Mob" value=${query.get("mob") ?? ""} onChange=${set("mob")}>
      <option value="">All mobs</option>
      ${(mobs?.mobs ?? mobs ?? []).map((one) => html`<option key=${one.mob_id} value=${one.mob_id}>${clean(one.mob_id)}</option>`)}
    </select>
    <select aria-label="Flow" value=${query.get("flow") ?? ""} onChange=${set("flow")}>
      <option value="">All flows</option>
      ${names.map((one) => html`<option key=${one} value=${one}>${clean(one)}</option>`)}
    </select>
    <input class="attribute" placeholder="attribute=value" aria-label="Attribute" value=${query.get("attribute") ?? ""} onChange=${set("attribute")} />
  </form>`;
}

export function Runs({ query }) {
  const filter = filterOf(query);
  const isNarrow = useNarrow();
  const pages = usePages(filter);
  const byAll = useMemo(() => {
    const search = new URLSearchParams(filter);
    search.delete("status");
    return search.toString();
  }, [filter]);
  const counts = useLoad(`api/runs/count${byAll ? `?${byAll}` : ""}`);
  const mobs = useLoad("api/mobs");
  const [chosen, setChosen] = useState(-1);
  const search = useRef(null);
  const recount = useCalm(() => counts.reload(), 2000);

  useLive("runs", ({ changed }) => {
    pages.merge(changed);
    recount();
  });
  useLive("resync", useCalm(() => pages.reload(), 1000));
  useEffect(() => setChosen(-1), [filter]);
  const step = (by) => () => setChosen((now) => Math.max(0, Math.min(pages.runs.length - 1, now + by)));
  useKeys({
    j: step(1),
    k: step(-1),
    Enter: (event) => {
      if (chosen < 0 || event.target.closest?.("a, button")) return false;
      return go(["runs", pages.runs[chosen].run_id]);
    },
    o: () => (chosen < 0 ? false : go(["runs", pages.runs[chosen].run_id])),
    "/": () => search.current.focus(),
    Escape: () => (document.activeElement === search.current ? search.current.blur() : setChosen(-1)),
  });

  const now = Date.now();
  let body;
  if (pages.error && !pages.runs.length) body = html`<${Problem} error=${pages.error} />`;
  else if (pages.isLoading && !pages.runs.length) body = html`<${Skeleton} lines=${12} />`;
  else if (!pages.runs.length) body = html`<${Empty}>${filter ? "No run is like that." : "There is no run yet."}</${Empty}>`;
  else
    body = html`<${VirtualList} items=${pages.runs} height=${isNarrow ? 72 : 44} label="Runs" keyOf=${(run) => run.run_id} focus=${chosen}
        total=${pages.next ? -1 : pages.runs.length} more=${pages.more} className="run-list"
        row=${(run, index) => html`<${RunRow} run=${run} isNarrow=${isNarrow} now=${now} selected=${index === chosen} />`} />
      <p class="muted end">${pages.error ? html`<${Problem} error=${pages.error} />` : pages.next ? "Scroll on for more." : `${number(pages.runs.length)} runs.`}</p>`;
  return html`<h1>Runs</h1><${Filters} query=${query} counts=${counts.data} mobs=${mobs.data} search=${search} />${body}`;
}
