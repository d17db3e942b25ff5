// Where a token becomes a session.
import { html, useState } from "../vendor/htm-preact.js";
import { send } from "../lib/api.js";
import { clean } from "../lib/text.js";

export function Login({ done }) {
  const [token, setToken] = useState("");
  const [state, setState] = useState({ busy: false, error: null });
  async function submit(event) {
    event.preventDefault();
    setState({ busy: true, error: null });
    try {
      await send("POST", "login", { token });
      setToken("");
      done();
    } catch (error) {
      setState({ busy: false, error });
    }
  }
  return html`<form class="panel login" onSubmit=${submit}>
    <h1>Sign in</h1>
    <p class="muted">Ask those who run this page for a token: they are in the file of <code>redis-mob ui --token-file</code>.</p>
    <div class="field"><label for="token">Token</label>
      <input id="token" type="password" autocomplete="current-password" required value=${token} onInput=${(event) => setToken(event.currentTarget.value)} aria-describedby=${state.error ? "login-wrong" : undefined} /></div>
    ${state.error && html`<p id="login-wrong" class="problem" role="alert"><bdi>${clean(state.error.message)}</bdi></p>`}
    <div class="buttons"><button type="submit" class="primary" disabled=${state.busy || !token}>Sign in</button></div>
  </form>`;
}
