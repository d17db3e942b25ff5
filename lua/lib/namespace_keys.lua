-- The keys of a namespace that are not those of a run or a session.

--- @keys meta seal_keys seal_key_checks runs runs_by_status by_attribute events event_identities events_by_time specs
--- @keys spec_revisions
--- @keys supervisors overlays overlay_places profiles profile_revisions documents versions history ids tokens feed definitions due
--- @keys ready queued lost workers turns limits deletions retention schedules scheduled schedule_definitions pauses
--- @keys webhooks webhook_secrets webhook_progress dead_letters
--- @keys gated gate_times debounces asks conversing conversations budgets reservations
--- @keys model_usage host_fence host_scopes host_heads host_names host_rows host_commits host_order
--- @keys generic_records record_places

local function has_keys()
  return redis.call('EXISTS', meta, seal_keys, seal_key_checks, runs, runs_by_status, by_attribute, events, event_identities,
    events_by_time, specs, spec_revisions, supervisors, overlays, overlay_places, profiles, profile_revisions, documents, versions, history, ids,
    tokens, feed, definitions, due, ready, queued, lost, workers, turns, limits, deletions, retention, schedules,
    scheduled, schedule_definitions, pauses, webhooks, webhook_secrets, webhook_progress, dead_letters, gated, gate_times,
    debounces, asks, conversing, conversations, budgets, reservations, model_usage,
    host_fence, host_scopes, host_heads, host_names, host_rows, host_commits, host_order,
    generic_records, record_places) > 0
end
