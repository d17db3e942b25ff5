// Offers the other versions of this site, where versions.json of its folder says which there are.
const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
const page = location.pathname.slice(root.pathname.length);

function offer(select, { versions, latest }) {
  const here = select.value;
  for (const version of versions.filter((one) => one !== here)) {
    select.add(new Option(version === latest ? `${version} (latest)` : version, version));
  }
  select.addEventListener("change", async () => {
    const home = new URL(`../${select.value}/`, root);
    const same = new URL(page, home);
    const answer = await fetch(same, { method: "HEAD" });
    location.href = answer.ok ? same : new URL("index.html", home);
  });
  select.disabled = versions.length < 2;
}

addEventListener("DOMContentLoaded", async () => {
  const select = document.querySelector(".versions select");
  if (!location.protocol.startsWith("http")) return; // a file of a folder cannot ask for others
  const answer = await fetch(new URL("../versions.json", root));
  if (answer.ok) offer(select, await answer.json());
});
