"use strict";

const byId = (id) => document.getElementById(id);
const nonce = document.currentScript.nonce;
const PRINTED = { width: 680, height: 310, font: 11 }; // in pixels: two plots fit on a page
const SETTINGS = { responsive: true, displayModeBar: false };
let data = { plots: {}, candidates: {}, winner: null, passages: [] };

/** The text that the program packed into the element. */
async function unpack(id) {
  const letters = atob(byId(id).textContent);
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** Draw into every element that names a plot; a click on a candidate opens it. */
function draw(root, figures) {
  for (const element of root.querySelectorAll("[data-plot]")) {
    const figure = figures[element.dataset.plot];
    if (!figure) {
      element.remove();
      continue;
    }
    Plotly.newPlot(element, figure.data, figure.layout, SETTINGS);
    element.on("plotly_click", ({ points }) => {
      if (points[0].customdata !== undefined) location.hash = `candidate-${points[0].customdata}`;
    });
  }
}

/** Show the candidate that the address names, or none. */
function follow() {
  const dialog = byId("candidate");
  const candidate = data.candidates[location.hash.replace("#candidate-", "")];
  byId("opened").querySelectorAll(".js-plotly-plot").forEach(Plotly.purge);
  if (!candidate) {
    if (dialog.open) dialog.close();
    return;
  }
  byId("opened").innerHTML = candidate.html; // escaped where it was made
  for (const passage of byId("opened").querySelectorAll("[data-passages]")) {
    passage.textContent = passage.dataset.passages.split(" ").map((number) => data.passages[number]).join("\n\n");
  }
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  draw(byId("opened"), candidate.plots);
}

function listen() {
  const close = () => history.replaceState(null, "", location.pathname + location.search);
  const dialog = byId("candidate");
  dialog.addEventListener("close", close);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  byId("close").addEventListener("click", () => dialog.close());
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => document.querySelectorAll("main .js-plotly-plot").forEach(toPaper));
  addEventListener("afterprint", () => document.querySelectorAll("main .js-plotly-plot").forEach(toScreen));
}

function toPaper(plot) {
  const width = PRINTED.width / (plot.closest(".pair") ? 2 : 1); // as the style sheet has it
  const height = Math.min(plot.layout.height, PRINTED.height);
  plot.dataset.height = plot.layout.height;
  Plotly.relayout(plot, { width, height, "font.size": PRINTED.font });
}

function toScreen(plot) {
  Plotly.relayout(plot, { width: null, height: Number(plot.dataset.height), autosize: true, "font.size": 13 });
}

/** A table that sorts by its headings and shows the rows that hold what is typed. */
function arrange() {
  const rows = [...document.querySelectorAll("#list tbody tr")];
  for (const heading of document.querySelectorAll("#list th[data-sort]")) {
    heading.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") !== "descending";
      heading.parentElement.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = heading.dataset.sort === "t";
      const value = (row) => row.cells[heading.cellIndex].dataset.v;
      const compare = (a, b) => (text ? a.localeCompare(b) : Number(a || -Infinity) - Number(b || -Infinity) || 0);
      rows.sort((a, b) => (down ? -1 : 1) * compare(value(a), value(b)));
      byId("list").tBodies[0].append(...rows);
    });
  }
  byId("filter")?.addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase().trim();
    const fitting = rows.filter((row) => !(row.hidden = !row.textContent.toLowerCase().includes(wanted)));
    byId("matches").textContent = wanted ? `${fitting.length} of ${rows.length}` : "";
  });
}

/** Words in place of a video that cannot be played. */
function film() {
  const video = document.querySelector("video");
  if (!video) return;
  const replace = () => {
    byId("unplayable").hidden = false;
    video.remove();
  };
  if (video.error) replace();
  else video.addEventListener("error", replace);
}

/** A button that goes from the system's theme to the other one and back. */
function themes() {
  const button = byId("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const name = () => (button.textContent = dark() ? "Light" : "Dark");
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    name();
  });
  system.addEventListener("change", name);
  name();
  button.hidden = false;
}

async function start() {
  themes();
  film();
  arrange();
  try {
    const library = document.createElement("script");
    library.nonce = nonce;
    library.textContent = await unpack("library");
    document.head.append(library);
    data = JSON.parse(await unpack("data"));
    const winner = data.candidates[data.winner]?.plots || {};
    const own = Object.fromEntries(Object.entries(winner).map(([key, plot]) => [`winner-${key}`, plot]));
    draw(document.querySelector("main"), { ...data.plots, ...own });
    listen();
    follow();
    document.documentElement.dataset.ready = "yes";
  } catch (error) {
    byId("trouble").textContent = `The plots cannot be drawn (${error.message}); a newer browser may help.`;
    byId("trouble").hidden = false;
  }
}

start();
