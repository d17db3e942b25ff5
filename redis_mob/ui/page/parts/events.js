// The events of a run as they are in the log, the details of one on demand.
import { html, useState } from "../vendor/htm-preact.js";
import { path, useLoad } from "../lib/api.js";
import { useKeys } from "../lib/keys.js";
import { Block, Moment, Text } from "../lib/text.js";
import { Empty, Problem, Skeleton } from "./notices.js";
import { VirtualList } from "./virtual_list.js";
import { StateIcon } from "../lib/states.js";

const STATES = [
  [/_(?:completed)$/, "completed"],
  [/_failed$/, "failed"],
  [/_canceled$/, "canceled"],
  [/_skipped$/, "skipped"],
  [/_dispatched$|_started$/, "running"],
];

export function stateOfEvent(type) {
  return STATES.find(([pattern]) => pattern.test(type ?? ""))?.[1] ?? "waiting";
}

function Details({ runId, cursor }) {
  const { data, error } = useLoad(`api/${path("runs", runId)}/events?after=${cursor - 1}&limit=1`);
  if (error) return html`<${Problem} error=${error} />`;
  if (!data) return html`<${Skeleton} lines=${4} />`;
  const event = data.events.find((one) => one.cursor === cursor);
  return event ? html`<${Block} value=${event.kind ?? event} label=${`Event ${cursor}`} />` : html`<${Empty}>The log has let it go.</${Empty}>`;
}

export function Events({ runId, events, isLoading }) {
  const [chosen, setChosen] = useState(-1);
  const step = (by) => () => setChosen((now) => Math.max(0, Math.min(events.length - 1, now + by)));
  useKeys({ j: step(1), k: step(-1), Escape: () => (chosen < 0 ? false : setChosen(-1)) });
  if (isLoading) return html`<${Skeleton} lines=${12} />`;
  if (!events.length) return html`<${Empty}>No event yet.</${Empty}>`;
  const row = (event, index) => html`<button type="button" class=${`event-row ${index === chosen ? "selected" : ""}`} data-cursor=${event.cursor}
      aria-pressed=${index === chosen} onClick=${() => setChosen(index === chosen ? -1 : index)}>
    <span class="figure muted cursor">${event.cursor}</span>
    <${Moment} at=${event.at} fraction=${true} />
    <span class="event-name"><${StateIcon} state=${stateOfEvent(event.type)} /><${Text} of=${event.type.replaceAll("_", " ")} /></span>
    <span class="event-what">${event.action && html`<${Text} of=${event.action.action.replaceAll("_", " ")} /> <span class="muted">by <${Text} of=${event.action.user} /></span>`}${event.step_id && html`<${Text} of=${event.step_id} className="name" />`} ${event.member && html`<${Text} of=${event.member} className="muted" />`}</span>
  </button>`;
  return html`<div class=${chosen < 0 ? "" : "split"}>
    <${VirtualList} items=${events} height=${36} label="Events" keyOf=${(event) => event.cursor} row=${row} focus=${chosen} />
    ${chosen >= 0 && events[chosen] && html`<section class="panel sticky" aria-label="Event"><${Details} key=${events[chosen].cursor} runId=${runId} cursor=${events[chosen].cursor} /></section>`}
  </div>`;
}
