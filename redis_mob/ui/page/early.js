// Runs before the first paint, and before the modules are there: a chosen theme does not flash, and what the first view shows
// is asked for while they are still on their way.
(() => {
  try {
    const theme = localStorage.getItem("redis-mob-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // storage may be forbidden; the system's theme holds then
  }
  const asked = (window.askedEarly = new Map());
  const ask = (url) => asked.set(url, fetch(url, { credentials: "same-origin", cache: "no-store" })).get(url);
  ask("api/session")
    .then((answer) => answer.clone().json())
    .then(({ user }) => user && ["", "#", "#/"].includes(location.hash) && ask("api/overview"))
    .catch(() => {}); // the modules tell what is wrong
})();
