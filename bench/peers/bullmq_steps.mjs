// The forms of bench/peers/redis_mob_steps.py with BullMQ: a flow is a parent with its steps as children, a chain is nested flows.
//
// Prints one JSON array on stdout, as bench/peers/redis_mob_steps.py does. The parent of a fan-out stands for the end of its run, so it
// is no step; the last job of a chain is the last step of its run. Both are in a queue of their own, so that the events
// of that queue are ends of runs and nothing else.
//
//     node bench/peers/bullmq_steps.mjs --forms 20x10 chain:20x10 latency:50x1 --slots 64 --url unix:///tmp/server.sock

import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { parseArgs } from "node:util";

const nothing = async () => 1;

/** The flow of one run; `before` are the jobs that its last one waits for. */
function flowOf(kind, size) {
  const step = (children) => ({ name: "step", queueName: "steps", data: {}, children });
  if (kind === "") {
    return { name: "run", queueName: "runs", data: {}, children: Array.from({ length: size }, () => step([])) };
  }
  let before = [];
  for (let number = 1; number < size; number += 1) before = [step(before)];
  return { name: "run", queueName: "runs", data: {}, children: before };
}

function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function measured(form, slots, options) {
  const [numbers, kind = ""] = form.split(":").reverse();
  const [runs, size] = numbers.split("x").map(Number);
  const flows = new FlowProducer(options);
  flows.setMaxListeners(0); // each run that is waited for listens there, and Node warns of more than ten
  const queue = new Queue("runs", options);
  const ends = new QueueEvents("runs", options);
  await ends.waitUntilReady();
  // a single job is no flow, and BullMQ is faster with it
  const start =
    size === 1 && kind !== "" ? () => queue.add("run", {}) : async () => (await flows.add(flowOf(kind, size))).job;
  const workers = ["steps", "runs"].map(
    (name) => new Worker(name, nothing, { ...options, concurrency: slots, autorun: false }),
  );
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  const jobs = [];
  if (kind !== "latency") for (let number = 0; number < runs; number += 1) jobs.push(await start());

  const took = [];
  const used = process.cpuUsage();
  const began = performance.now();
  const working = workers.map((worker) => worker.run());
  if (kind === "latency") {
    for (let number = 0; number < runs; number += 1) {
      const startedAt = performance.now();
      await (await start()).waitUntilFinished(ends);
      took.push(performance.now() - startedAt);
    }
  }
  await Promise.all(jobs.map((job) => job.waitUntilFinished(ends)));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(used);

  await Promise.all(workers.map((worker) => worker.close()));
  await Promise.all(working);
  await Promise.all([flows.close(), queue.close(), ends.close()]);
  const steps = runs * size;
  return {
    form,
    slots,
    "steps/s": Math.round(steps / seconds),
    "cpu ms/step": (user + system) / 1000 / steps,
    ...(took.length ? { "p50 ms": median(took) } : {}),
  };
}

// the forms are the words after --forms, which takes none itself, so that the command line is that of bench/peers/redis_mob_steps.py
const { values, positionals: forms } = parseArgs({
  allowPositionals: true,
  options: { forms: { type: "boolean" }, slots: { type: "string", default: "64" }, url: { type: "string" } },
});
const path = decodeURIComponent(new URL(values.url).pathname);

const results = [];
for (const [number, form] of forms.entries()) {
  const options = { connection: { path, maxRetriesPerRequest: null }, prefix: `bench-${number}` };
  results.push(await measured(form, Number(values.slots), options));
}
console.log(JSON.stringify(results));
