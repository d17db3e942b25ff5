// The way to the server: JSON in, JSON out, errors that say what to do.
import { useCallback, useLayoutEffect, useRef, useState } from "../vendor/htm-preact.js";

export class ApiError extends Error {
  constructor(status, kind, message, detail) {
    super(message);
    this.status = status;
    this.kind = kind;
    this.detail = detail ?? {};
  }

  /** Whether trying again later may help. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

let csrf = "";
let whenSignedOut = () => {};

export function useCsrf(token) {
  csrf = token ?? "";
}

export function onSignedOut(then) {
  whenSignedOut = then;
}

/** A key under which an action is done once; `crypto.randomUUID` is missing where a page is not served by TLS. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * `once(act)` calls `act(key)`. What may have been done is tried again under the same key, so that it is not done twice;
 * what was refused was not done, and the next try is another action.
 */
export function useKey() {
  const key = useRef(null);
  return useRef({
    async once(act) {
      key.current ??= newKey();
      try {
        await act(key.current);
        key.current = null;
      } catch (error) {
        if (error instanceof ApiError && !error.isPassing) key.current = null;
        throw error;
      }
    },
  }).current;
}

export function path(...parts) {
  return parts.map(encodeURIComponent).join("/");
}

/** What `early.js` has asked for already: it is the answer to the first call. */
function asked(url, options) {
  const early = options.method ? undefined : window.askedEarly?.get(url);
  if (early) window.askedEarly.delete(url);
  return early;
}

async function request(url, options) {
  let response;
  try {
    response = await (asked(url, options) ?? fetch(url, { credentials: "same-origin", cache: "no-store", ...options }));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "Unreachable", "The page's server does not answer. Is `redis-mob ui` still running?");
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = null;
  }
  if (response.ok) return answer;
  const told = answer?.error ?? {};
  if (response.status === 401) whenSignedOut();
  throw new ApiError(
    response.status,
    told.kind ?? "Error",
    told.message ?? `The server answered ${response.status} ${response.statusText}.`,
    told.detail,
  );
}

export function get(url, signal) {
  return request(url, { signal });
}

/** Changes something. A token of a server that was started anew is renewed once. */
export async function send(method, url, body, key) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers["Idempotency-Key"] = key;
  const once = () => request(url, { method, headers: { ...headers, "X-CSRF-Token": csrf }, body: JSON.stringify(body ?? {}) });
  try {
    return await once();
  } catch (error) {
    if (error.kind !== "CsrfError") throw error;
    csrf = (await get("api/session")).csrf ?? "";
    return once();
  }
}

/**
 * What a URL answers, kept while a newer answer is on its way; nothing is asked as long as there is no URL.
 *
 * What may pass is tried again. `reload` reads again; calls while one is under way are one more read behind it. `asked` says
 * when the answer was asked for, and `took` how long that was under way, in milliseconds.
 */
export function useLoad(url) {
  const [loaded, setLoaded] = useState({ url: null, data: null, error: null });
  const state = useRef({ controller: null, again: false, timer: 0 });

  const read = useCallback(async () => {
    const own = state.current;
    if (!url) return;
    if (own.controller) {
      own.again = true;
      return;
    }
    clearTimeout(own.timer);
    const controller = (own.controller = new AbortController());
    const asked = performance.now();
    try {
      const data = await get(url, controller.signal);
      if (controller.signal.aborted) return;
      setLoaded({ url, data, error: null, asked, took: performance.now() - asked });
    } catch (error) {
      if (controller.signal.aborted || error.name === "AbortError") return;
      setLoaded((before) => (before.url === url ? { ...before, error } : { url, data: null, error }));
      if (!(error instanceof ApiError)) throw error;
      if (error.isPassing) own.timer = setTimeout(read, 2000);
    } finally {
      if (own.controller === controller) {
        own.controller = null;
        if (own.again) {
          own.again = false;
          read();
        }
      }
    }
  }, [url]);

  // before the browser paints: the answer may be there already
  useLayoutEffect(() => {
    read();
    return () => {
      state.current.controller?.abort();
      clearTimeout(state.current.timer);
      state.current = { controller: null, again: false, timer: 0 };
    };
  }, [read]);

  const isCurrent = loaded.url === url;
  return isCurrent ? { ...loaded, reload: read } : { data: null, error: null, reload: read };
}
