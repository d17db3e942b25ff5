// Where the page is: `#/runs/ID/events?step=a`. Behind the hash nothing has to be known by the server, or by a proxy.
import { useEffect, useState } from "../vendor/htm-preact.js";

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function parse(hash) {
  const [route, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { parts: route.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

export function href(parts, query) {
  const search = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value));
  return `#/${parts.map(encodeURIComponent).join("/")}${search.size ? `?${search}` : ""}`;
}

export function go(parts, query) {
  location.hash = href(parts, query);
}

/** The same place with other words behind it, without a step in the history. */
export function refine(query) {
  const now = parse(location.hash);
  const merged = Object.fromEntries(now.query);
  const url = href(now.parts, { ...merged, ...query });
  if (url === location.hash) return;
  history.replaceState(null, "", url);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

export function usePlace() {
  const [place, setPlace] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => setPlace(parse(location.hash));
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return place;
}
