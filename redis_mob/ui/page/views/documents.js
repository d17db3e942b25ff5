// Config documents and realm profiles: their values, their history, what changed, and edits that check the revision.
import { html, useMemo, useState } from "../vendor/htm-preact.js";
import { path, send, useLoad } from "../lib/api.js";
import { useKeys } from "../lib/keys.js";
import { go, href } from "../lib/router.js";
import { Block, Moment, Text, clean } from "../lib/text.js";
import { Dialog } from "../parts/dialog.js";
import { Diff } from "../parts/diff.js";
import { Empty, Problem, Skeleton, notice } from "../parts/notices.js";
import { JsonField } from "../parts/schema_form.js";

// by which words each kind is named, and found in the answers of the server
const KINDS = {
  config: { title: "Config", one: "document", names: ["namespace", "id"], list: "documents" },
  profiles: { title: "Profiles", one: "profile", names: ["name"], list: "profiles" },
};

/** The past of a document, the newest first. */
function versions(data) {
  return [...(data.history ?? [])].sort((a, b) => (a.written_at < b.written_at ? 1 : -1));
}

function Conflict({ mine, theirs, take, overwrite, close }) {
  return html`<section class="panel conflict" role="alert" aria-label="Conflict">
    <h3>It was changed meanwhile</h3>
    <p>Since you began to edit, it was written at revision ${theirs.revision}. Nothing of yours was written.</p>
    <div class="columns">
      <div><h4>Theirs, at revision ${theirs.revision}</h4><${Block} value=${theirs.value} label="Theirs" /></div>
      <div><h4>Yours</h4><${Block} value=${mine} label="Yours" /></div>
    </div>
    <h4>From theirs to yours</h4><${Diff} before=${theirs.value} after=${mine} label="From theirs to yours" />
    <div class="buttons"><button type="button" onClick=${close}>Edit on</button><button type="button" onClick=${take}>Take theirs</button><button type="button" class="danger" onClick=${overwrite}>Write mine over it</button></div>
  </section>`;
}

function Editor({ url, stored, done, cancel }) {
  const [value, setValue] = useState(stored.value);
  const [revision, setRevision] = useState(stored.revision);
  const [written, setWritten] = useState(stored.value); // what it replaces
  const [conflict, setConflict] = useState(null);
  const [isSaving, setSaving] = useState(false);
  const save = async (key) => {
    try {
      await send("PUT", url, { revision, value }, key);
    } catch (error) {
      const theirs = error.detail?.theirs;
      if (error.status !== 409 || !theirs) throw error;
      setConflict(theirs);
      return;
    }
    notice("Written.");
    done();
  };
  const overwrite = () => {
    setRevision(conflict.revision);
    setWritten(conflict.value);
    setConflict(null);
    setSaving(true);
  };
  return html`<${JsonField} value=${stored.value} change=${setValue} label=${`Value, on revision ${revision}`} rows=${14} />
    ${conflict
      ? html`<${Conflict} mine=${value} theirs=${conflict} take=${done} overwrite=${overwrite} close=${() => setConflict(null)} />`
      : html`<div class="buttons"><button type="button" onClick=${cancel}>Back</button><button type="button" class="primary" disabled=${value === undefined} onClick=${() => setSaving(true)}>Write${"\u2026"}</button></div>`}
    ${isSaving && html`<${Dialog} title="Write this?" verb="Write" act=${save} close=${() => setSaving(false)}><${Diff} before=${written} after=${value} label="What changes" /></${Dialog}>`}`;
}

function History({ history }) {
  const [open, setOpen] = useState(null);
  if (!history.length) return html`<${Empty}>It has no history.</${Empty}>`;
  return html`<ol class="plain history">${history.map((one, index) => {
    const before = history[index + 1];
    return html`<li key=${`${one.revision} ${one.written_at}`}>
      <button type="button" class="history-row" aria-expanded=${open === index} onClick=${() => setOpen(open === index ? null : index)}><span class="figure">revision ${one.revision}</span> <span class="muted"><${Moment} at=${one.written_at} /></span></button>
      ${open === index && (before ? html`<${Diff} before=${before.value} after=${one.value} label=${`What revision ${one.revision} changed`} />` : html`<${Block} value=${one.value} label=${`Revision ${one.revision}`} />`)}
    </li>`;
  })}</ol>`;
}

function Document({ kind, names, canOperate, changed }) {
  const url = `api/${path(kind, ...names)}`;
  const { data, error, reload } = useLoad(url);
  const [mode, setMode] = useState("read");
  const name = names.at(-1);
  if (error && !data) return html`<${Problem} error=${error} />`;
  if (!data) return html`<${Skeleton} />`;
  const remove = async (key) => {
    await send("DELETE", `${url}?revision=${data.revision}`, {}, key);
    notice("Deleted.");
    changed();
    go([kind]);
  };
  const done = () => {
    setMode("read");
    reload();
    changed();
  };
  return html`<section class="panel">
      <header class="line"><h2><${Text} of=${name} /> <span class="muted"><${Text} of=${names.slice(0, -1).join(" ")} /></span></h2><span class="figure muted">revision ${data.revision}</span>
        ${canOperate && mode === "read" && html`<span class="actions"><button type="button" onClick=${() => setMode("edit")}>Edit</button><button type="button" class="danger" onClick=${() => setMode("delete")}>Delete${"\u2026"}</button></span>`}</header>
      ${mode === "edit" ? html`<${Editor} url=${url} stored=${data} done=${done} cancel=${() => setMode("read")} />` : html`<${Block} value=${data.value} label="Value" />`}
      ${mode === "delete" && html`<${Dialog} title=${`Delete ${clean(name)}?`} verb="Delete it" danger=${true} act=${remove} close=${() => setMode("read")}><p>Nothing that reads it will find it any more.</p></${Dialog}>`}
    </section>
    ${kind === "config" && html`<section class="panel"><h2>History</h2><${History} history=${versions(data)} /></section>`}`;
}

function New({ kind, close, changed }) {
  const { one, names } = KINDS[kind];
  const [given, setGiven] = useState(names.map(() => ""));
  const [value, setValue] = useState(kind === "config" ? {} : { model: "" });
  const act = async (key) => {
    await send("PUT", `api/${path(kind, ...given)}`, { revision: null, value }, key);
    notice("Written.");
    changed();
    go([kind, ...given]);
  };
  const named = (index) => (event) => setGiven(given.with(index, event.currentTarget.value));
  return html`<${Dialog} title=${`New ${one}`} verb="Write" act=${act} close=${close} ready=${given.every(Boolean) && value !== undefined}>
    ${names.map((name, index) => html`<div key=${name} class="field"><label for=${`new-${name}`}>${name}</label><input id=${`new-${name}`} required value=${given[index]} onInput=${named(index)} /></div>`)}
    <${JsonField} value=${value} change=${setValue} label="Value" />
  </${Dialog}>`;
}

export function Documents({ kind, parts, canOperate }) {
  const { title, names, list } = KINDS[kind];
  const { data, error, reload } = useLoad(`api/${kind}`);
  const [isNew, setNew] = useState(false);
  const rows = useMemo(() => (data?.[list] ?? []).map((one) => names.map((name) => one[name])), [data]);
  const here = parts.join("/");
  const chosen = rows.findIndex((row) => row.join("/") === here);
  const step = (by) => () => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, chosen + by))];
    if (next) go([kind, ...next]);
  };
  useKeys({ j: step(1), k: step(-1), Escape: () => (parts.length ? go([kind]) : false) });
  return html`<div class="line"><h1>${title}</h1>
      <nav class="tabs small" aria-label="Kinds">${Object.entries(KINDS).map(([name, one]) => html`<a key=${name} href=${href([name])} aria-current=${name === kind ? "page" : undefined}>${one.title}</a>`)}</nav>
      ${canOperate && html`<span class="actions"><button type="button" onClick=${() => setNew(true)}>New${"\u2026"}</button></span>`}</div>
    ${error && !data && html`<${Problem} error=${error} />`}
    ${!data && !error && html`<${Skeleton} />`}
    ${data &&
    html`<div class="documents">
      <nav class="panel list" aria-label=${title}>${rows.length === 0
        ? html`<${Empty}>There is none.</${Empty}>`
        : html`<ul class="plain">${rows.map((row, index) => html`<li key=${row.join("/")}><a href=${href([kind, ...row])} aria-current=${index === chosen ? "page" : undefined}>${row.length > 1 && html`<span class="muted"><${Text} of=${row[0]} /></span> `}<${Text} of=${row.at(-1)} /></a></li>`)}</ul>`}</nav>
      <div>${parts.length === names.length ? html`<${Document} key=${`${kind}/${here}`} kind=${kind} names=${parts} canOperate=${canOperate} changed=${reload} />` : html`<${Empty}>${rows.length ? "Choose one to see what it says, and what it said before." : canOperate ? `No ${KINDS[kind].one} was written yet: \u201cNew\u2026\u201d writes one.` : `No ${KINDS[kind].one} was written yet.`}</${Empty}>`}</div>
    </div>`}
    ${isNew && html`<${New} kind=${kind} close=${() => setNew(false)} changed=${reload} />`}`;
}
