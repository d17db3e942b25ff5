// Which results come first, beside how well they match. WORDS are the keywords of navigation.toml by page: website/search.py puts them here.
const WORDS = {};
const PLACES = [
  [/^how-to\//, 6],
  [/^(api|cases|benchmarks|project|architecture|rust_host_store|backends)/, -12],
  [/^(contract|decisions|examples)\//, -8],
];

const stemsOf = (text) =>
  splitQuery(text.toLowerCase()).filter((word) => !stopwords.has(word)).map((word) => new Stemmer().stemWord(word));

Scorer.score = ([docname, title, , , score, , kind]) => {
  const question = new URLSearchParams(location.search).get("q") ?? "";
  if (kind === "object") return /[A-Z._]/.test(question) ? score + 30 : score - 10; // a name is looked up
  const asked = new Set(stemsOf(question));
  const named = new Set(stemsOf(title));
  const inTitle = [...asked].filter((word) => named.has(word)).length;
  const isMeant = (WORDS[docname] ?? []).some((words) => stemsOf(words).every((word) => asked.has(word)));
  return score + (PLACES.find(([place]) => place.test(docname))?.[1] ?? 4) + 6 * inTitle + (isMeant ? 40 : 0);
};
