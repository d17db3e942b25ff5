"""What goes on in a run, as protocols of front ends have it: AG-UI, and the UI message stream of the AI SDK.

| | says | reads |
|---|---|---|
| `ag_ui` | events of AG-UI 1.0 | the answers in a `RunAgentInput` |
| `ai_sdk` | chunks of the UI message stream of the AI SDK, version 1 | the answers in the messages of `useChat` |

Either begins with a `run_feed`, whose items an adapter turns into the events of its protocol (decision 0047).
"""
