// The page: who is here, where they are, what is shown.
import { html, render, useCallback, useEffect, useErrorBoundary, useLayoutEffect, useRef, useState } from "./vendor/htm-preact.js";
import { get, onSignedOut, send, useCsrf } from "./lib/api.js";
import { useKeys } from "./lib/keys.js";
import { start, stop, useLive, useStand } from "./lib/live.js";
import { go, href, usePlace } from "./lib/router.js";
import { themeChanged } from "./lib/states.js";
import { Text, clean, number } from "./lib/text.js";
import { Notices, Problem, Skeleton } from "./parts/notices.js";
import { Documents } from "./views/documents.js";
import { Help } from "./views/help.js";
import { Inbox } from "./views/inbox.js";
import { Login } from "./views/login.js";
import { Overview } from "./views/overview.js";
import { Run } from "./views/run.js";
import { Runs } from "./views/runs.js";

const NAV = [
  [[], "Overview", ""],
  [["runs"], "Runs", "runs"],
  [["inbox"], "Inbox", "inbox"],
  [["config"], "Config", "config"],
];
const THEMES = ["system", "light", "dark"];
const SIGNS = { system: "\u25d0", light: "\u2600", dark: "\u263e" };

function useTheme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "system");
  const next = () => {
    const chosen = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("redis-mob-theme", chosen);
    } catch {
      // it holds until the page is closed, then
    }
    setTheme(chosen);
    themeChanged();
  };
  return [theme, next];
}

const STANDS = {
  connecting: ["waiting", "connecting"],
  live: ["completed", "live"],
  reconnecting: ["failed", "reconnecting"],
  trouble: ["failed", "server away"],
};

function Stand() {
  const { state, message, cursor } = useStand();
  const [color, label] = STANDS[state];
  return html`<span class=${`stand state-${color}`} data-cursor=${cursor} data-state=${state} title=${message ? clean(message) : `at event ${cursor}`}>
    <span class="dot" aria-hidden="true"></span><span role="status" aria-live="polite">${label}</span></span>`;
}

function Trouble() {
  const { state, message } = useStand();
  if (state !== "trouble" && state !== "reconnecting") return null;
  return html`<div class="banner" role="status">${state === "trouble" ? html`The server behind this page does not answer: <${Text} of=${message ?? "it is away"} />. What is shown may be old; the page goes on when it is back.` : "The connection to this page's server is interrupted. What is shown may be old; the page tries again."}</div>`;
}

function Header({ session, place, signOut }) {
  const [theme, next] = useTheme();
  const [asks, setAsks] = useState(0);
  useLive("overview", (news) => news.asks !== undefined && setAsks(news.asks));
  useKeys({
    "g o": () => go([]),
    "g r": () => go(["runs"]),
    "g i": () => go(["inbox"]),
    "g c": () => go(["config"]),
    t: next,
    "?": () => go(["help"]),
  });
  const here = place.parts[0] === "profiles" ? "config" : (place.parts[0] ?? "");
  return html`<header class="top">
    <a class="brand" href=${href([])}><img src="favicon.svg" alt="" width="22" height="22" /><span>redis_mob</span>${session.namespace && html`<span class="muted namespace"><${Text} of=${session.namespace} /></span>`}</a>
    <nav aria-label="Pages">${NAV.map(
      ([parts, label, name]) => html`<a key=${name} href=${href(parts)} aria-current=${here === name ? "page" : undefined}>${label}${name === "inbox" && asks > 0 && html`<span class="badge" aria-label=${`${asks} wait`}>${number(asks)}</span>`}</a>`,
    )}</nav>
    <div class="top-end"><${Stand} />
      <button type="button" class="quiet" onClick=${next} aria-label=${`Theme: ${theme}`} title=${`Theme: ${theme} (t)`}>${SIGNS[theme]}</button>
      <a class="quiet button" href=${href(["help"])} aria-label="Help" title="Help (?)">?</a>
      ${session.user && html`<span class="user muted" title=${`may ${session.role}`}><${Text} of=${session.user} />${session.role === "read" ? " (reads)" : ""}</span>`}
      ${session.logout && html`<button type="button" class="link" onClick=${signOut}>Sign out</button>`}
    </div>
  </header>`;
}

const NAMES = new Map([
  [undefined, "Overview"],
  ["runs", "Runs"],
  ["inbox", "Inbox"],
  ["config", "Config"],
  ["profiles", "Profiles"],
  ["help", "Help"],
]);

function titleOf({ parts }) {
  const [where, id] = parts;
  const name = NAMES.get(where) ?? "Nothing here";
  return `${where === "runs" && id ? `Run ${clean(id).slice(0, 8)}` : name} \u00b7 redis_mob`;
}

function View({ place, canOperate }) {
  const [error, forget] = useErrorBoundary((wrong) => console.error(wrong));
  const [where, ...rest] = place.parts;
  useEffect(() => error && forget(), [place.parts.join("/")]);
  if (error) return html`<h1>This went wrong</h1><${Problem} error=${error} /><p><button type="button" onClick=${forget}>Try again</button></p>`;
  if (where === undefined) return html`<${Overview} />`;
  if (where === "runs" && rest.length === 0) return html`<${Runs} query=${place.query} />`;
  if (where === "runs") return html`<${Run} key=${rest[0]} id=${rest[0]} tab=${rest[1]} query=${place.query} canOperate=${canOperate} />`;
  if (where === "inbox") return html`<${Inbox} canOperate=${canOperate} />`;
  if (where === "config" || where === "profiles") return html`<${Documents} kind=${where} parts=${rest} canOperate=${canOperate} />`;
  if (where === "help") return html`<${Help} />`;
  return html`<h1>Nothing here</h1><p>This page has no such place. <a href=${href([])}>Overview</a></p>`;
}

function App() {
  const [session, setSession] = useState(null);
  const [error, setError] = useState(null);
  const place = usePlace();
  const content = useRef(null);
  const signIn = useCallback(async () => {
    try {
      const answer = await get("api/session");
      useCsrf(answer.csrf);
      setError(null);
      setSession(answer);
    } catch (wrong) {
      setError(wrong);
      if (wrong.isPassing) setTimeout(signIn, 2000);
    }
  }, []);
  useLayoutEffect(() => {
    onSignedOut(() => setSession((now) => (now ? { ...now, user: null } : now)));
    signIn();
  }, []);
  const isIn = Boolean(session?.user);
  useLayoutEffect(() => {
    if (!isIn) return undefined;
    start();
    return stop;
  }, [isIn]);
  useEffect(() => {
    document.title = titleOf(place);
  }, [place]);
  const route = place.parts.slice(0, 2).join("/");
  useEffect(() => {
    if (content.current) content.current.scrollTop = 0;
  }, [route]);
  const signOut = async () => {
    await send("POST", "logout");
    signIn();
  };

  if (error && !session) return html`<main id="content" class="bare"><${Problem} error=${error} /></main>`;
  if (!session)
    return html`<header class="top"><span class="brand"><img src="favicon.svg" alt="" width="22" height="22" /><span>redis_mob</span></span></header>
      <main id="content"><div class="page"><${Skeleton} lines=${10} /></div></main>`;
  if (!isIn) return html`<main id="content" class="bare"><${Login} done=${signIn} /></main>`;
  return html`<a class="skip" href="#content" onClick=${(event) => {
      event.preventDefault();
      content.current.focus();
    }}>Skip to the content</a>
    <${Header} session=${session} place=${place} signOut=${signOut} />
    <main id="content" ref=${content} tabindex="-1"><${Trouble} /><div class="page"><${View} place=${place} canOperate=${session.role === "operate"} /></div></main>
    <${Notices} />`;
}

render(html`<${App} />`, document.getElementById("app"));
