// A form for a value, made from its JSON schema. What no field fits is written as JSON; the server checks the value.
import { html, useState } from "../vendor/htm-preact.js";
import { clean, pretty } from "../lib/text.js";

const DEEPEST = 6;

function resolved(schema, root, depth = 0) {
  if (typeof schema !== "object" || schema === null) return {};
  if (typeof schema.$ref === "string" && schema.$ref.startsWith("#/") && depth < 20) {
    let found = root;
    for (const part of schema.$ref.slice(2).split("/")) {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      found = found !== null && typeof found === "object" && Object.hasOwn(found, name) ? found[name] : undefined;
    }
    return { ...resolved(found, root, depth + 1), ...(schema.title ? { title: schema.title } : {}) };
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) {
    const rest = choices.filter((one) => one?.type !== "null");
    if (rest.length === 1) {
      const { anyOf, oneOf, ...others } = schema;
      return { ...resolved(rest[0], root, depth + 1), ...others, nullable: rest.length < choices.length };
    }
  }
  return schema;
}

/** A value to begin with. */
export function starting(schema, root = schema, depth = 0) {
  const own = resolved(schema, root);
  if ("default" in own) return own.default;
  if ("const" in own) return own.const;
  if (Array.isArray(own.enum)) return own.enum[0];
  if (own.nullable) return null;
  switch (own.type) {
    case "object": {
      const required = new Set(own.required ?? []);
      const names = Object.keys(own.properties ?? {}).filter((name) => required.has(name) && depth < DEEPEST);
      return Object.fromEntries(names.map((name) => [name, starting(own.properties[name], root, depth + 1)]));
    }
    case "array":
      return [];
    case "boolean":
      return false;
    case "integer":
    case "number":
      return own.minimum ?? 0;
    case "string":
      return "";
    default:
      return null;
  }
}

let number = 0;

function useId() {
  return useState(() => `field-${(number += 1)}`)[0];
}

/** A text area for any JSON; `change` gets the value, or `undefined` as long as the text is not JSON. */
export function JsonField({ value, change, label, rows = 6 }) {
  const id = useId();
  const [text, setText] = useState(() => JSON.stringify(value, null, 2) ?? "null");
  const [wrong, setWrong] = useState(null);
  function typed(event) {
    const now = event.currentTarget.value;
    setText(now);
    try {
      const read = JSON.parse(now);
      setWrong(null);
      change(read);
    } catch (error) {
      setWrong(error.message);
      change(undefined);
    }
  }
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <textarea id=${id} rows=${rows} spellcheck="false" class="code" value=${text} onInput=${typed} aria-invalid=${wrong ? "true" : "false"}
      aria-describedby=${wrong ? `${id}-wrong` : undefined}></textarea>
    ${wrong && html`<span id=${`${id}-wrong`} class="wrong">${"This is not JSON: "}<bdi>${clean(wrong)}</bdi></span>`}
  </div>`;
}

function Scalar({ schema, value, change, label, hint }) {
  const id = useId();
  const described = hint ? `${id}-hint` : undefined;
  let input;
  if (Array.isArray(schema.enum)) {
    const chosen = schema.enum.findIndex((one) => JSON.stringify(one) === JSON.stringify(value));
    input = html`<select id=${id} value=${chosen} aria-describedby=${described} onChange=${(event) => change(schema.enum[Number(event.currentTarget.value)])}>
      ${chosen < 0 && html`<option value="-1">${"\u2013"}</option>`}
      ${schema.enum.map((one, index) => html`<option key=${index} value=${index}>${clean(pretty(one))}</option>`)}
    </select>`;
  } else if (schema.type === "boolean") {
    return html`<div class="field check">
      <input id=${id} type="checkbox" checked=${value === true} aria-describedby=${described} onChange=${(event) => change(event.currentTarget.checked)} />
      <label for=${id}>${label}</label>
      ${hint && html`<span id=${described} class="hint"><bdi>${clean(hint)}</bdi></span>`}
    </div>`;
  } else if (schema.type === "string") {
    const isLong = (schema.maxLength ?? 1000) > 200;
    input = isLong
      ? html`<textarea id=${id} rows="3" value=${value ?? ""} aria-describedby=${described} onInput=${(event) => change(event.currentTarget.value)}></textarea>`
      : html`<input id=${id} value=${value ?? ""} aria-describedby=${described} onInput=${(event) => change(event.currentTarget.value)} />`;
  } else {
    input = html`<input id=${id} type="number" step=${schema.type === "integer" ? 1 : "any"} min=${schema.minimum} max=${schema.maximum}
      value=${value ?? ""} aria-describedby=${described}
      onInput=${(event) => change(event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value))} />`;
  }
  return html`<div class="field">
    <label for=${id}>${label}</label>${input}
    ${hint && html`<span id=${described} class="hint"><bdi>${clean(hint)}</bdi></span>`}
  </div>`;
}

const SCALARS = new Set(["string", "number", "integer", "boolean"]);

function Field({ schema, root, value, change, label, depth }) {
  const own = resolved(schema, root);
  if (own.type === "object" && own.properties && depth < DEEPEST) {
    const given = value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
    const required = new Set(own.required ?? []);
    return html`<fieldset>
      ${label && html`<legend>${label}</legend>`}
      ${Object.keys(own.properties).map((name) => {
        const title = clean(own.properties[name]?.title ?? name);
        const put = (next) => {
          const { [name]: _, ...others } = given;
          change(next === undefined && !required.has(name) ? others : { ...others, [name]: next });
        };
        return html`<${Field} key=${name} schema=${own.properties[name]} root=${root} depth=${depth + 1}
          value=${Object.hasOwn(given, name) ? given[name] : undefined} change=${put} label=${`${title}${required.has(name) ? "" : " (optional)"}`} />`;
      })}
    </fieldset>`;
  }
  if (Array.isArray(own.enum) || SCALARS.has(own.type)) {
    return html`<${Scalar} schema=${own} value=${value} change=${change} label=${label} hint=${own.description} />`;
  }
  return html`<${JsonField} value=${value === undefined ? starting(schema, root) : value} change=${change} label=${label} rows=${4} />`;
}

/** Fields by the schema, and on demand the whole value as JSON. */
export function SchemaForm({ schema, value, change, label }) {
  const [raw, setRaw] = useState(!schema || typeof schema !== "object");
  return html`<div class="schema-form">
    ${raw
      ? html`<${JsonField} value=${value} change=${change} label=${label} />`
      : html`<${Field} schema=${schema} root=${schema} value=${value} change=${change} label=${label} depth=${0} />`}
    ${schema && typeof schema === "object" && html`<button type="button" class="link" onClick=${() => setRaw(!raw)}>${raw ? "As fields" : "As JSON"}</button>`}
  </div>`;
}
