// Which results come first, beside how well they match: pages that answer a question, then guides, then what one looks things up in.
const PLACES = [
  [/^how-to\//, 16],
  [/^(api|cases|benchmarks|project|architecture|rust_host_store|backends)/, -12],
  [/^(contract|decisions|examples)\//, -8],
];

Scorer.score = ([docname, , , , score]) =>
  score + (PLACES.find(([place]) => place.test(docname))?.[1] ?? 4);
