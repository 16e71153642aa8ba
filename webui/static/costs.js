// Draws the cost chart from the figure the server made, in the page's own colours, with plotly served from this server; a click on a
// bar opens its runs. Asks for the comparison with the ledger where that was too much for the page itself.
const box = document.getElementById("cost-chart");
const NAMED = { bad: "--fail", warn: "--recover", live: "--accent", before: "--ink-3" };
const KINDS = { deploy: "--ink-2", price: "--recover", alert: "--fail" };
const colour = (name) => {
  // A probe resolves light-dark() and color-mix() to the colour in force.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};
const nameOf = (trace, n) => NAMED[trace.meta] ?? `--c${(n % 6) + 1}`;

function dressed(trace, n, paper) {
  const own = colour(nameOf(trace, n));
  if (trace.type !== "bar") return { ...trace, line: { ...trace.line, color: own } };
  return { ...trace, marker: { ...trace.marker, color: own, pattern: { ...trace.marker.pattern, bgcolor: paper, fgcolor: own } } };
}

function dress(figure) {
  const ink = colour("--ink-3"), rule = colour("--rule"), paper = colour("--paper"), layout = figure.layout;
  const axis = { gridcolor: rule, linecolor: rule, zerolinecolor: rule, tickfont: { size: 11 } };
  const narrow = box.clientWidth < 520;
  const marked = (one, more) => ({ ...one, ...more(colour(KINDS[one.name])) });
  const dress = {
    ...layout, margin: { ...layout.margin, t: narrow ? 8 : layout.margin.t }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12, family: getComputedStyle(document.body).fontFamily },
    xaxis: { ...layout.xaxis, ...axis, nticks: narrow ? 4 : 10 }, yaxis: { ...layout.yaxis, ...axis },
    hoverlabel: { bgcolor: colour("--raised"), bordercolor: rule, font: { color: colour("--ink") } },
    shapes: (layout.shapes ?? []).map((one) => marked(one, (own) => ({ line: { ...one.line, color: own } }))),
    // On a phone there is no room for their words, which stand below the chart too.
    annotations: narrow ? [] : (layout.annotations ?? []).map((one) => marked(one, (own) => ({ font: { ...one.font, color: own } }))),
  };
  return [figure.data.map((trace, n) => dressed(trace, n, paper)), dress];
}

function legend(traces) {
  const svg = "http://www.w3.org/2000/svg";
  const entries = traces.map((trace, n) => {
    const mark = document.createElementNS(svg, "svg"), square = document.createElementNS(svg, "rect"), entry = document.createElement("span");
    square.setAttribute("width", "10");
    square.setAttribute("height", trace.meta === "before" ? "2" : "10");
    if (trace.meta === "before") square.setAttribute("y", "4");
    square.setAttribute("class", NAMED[trace.meta] ? `f-${trace.meta}` : `c${(n % 6) + 1}`);
    mark.append(square);
    entry.append(mark, trace.name);
    return entry;
  });
  document.getElementById("cost-legend").replaceChildren(...entries);
}

async function draw() {
  const answer = await fetch(box.dataset.figure);
  if (!answer.ok) { box.textContent = "The chart could not be loaded; the table below it has the same sums."; return; }
  const figure = await answer.json();
  if (!figure.data.length) { box.classList.add("none"); box.textContent = "No call in this time has a price."; return; }
  const show = () => Plotly.react(box, ...dress(figure), { displayModeBar: false, responsive: true, displaylogo: false });
  await show();
  box.on("plotly_click", (event) => {
    const href = event.points[0]?.customdata;
    if (href) location.href = href;
  });
  legend(figure.data);
  addEventListener("clew:theme", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
}

async function compare(line) {
  const answer = await fetch(line.dataset.check).catch(() => null);
  if (!answer?.ok) return;
  const found = await answer.json();
  line.classList.toggle("bad", !found.agrees);
  line.querySelector("b").textContent = found.agrees ? "It adds up:" : "It does not add up:";
  line.querySelector("span").textContent = `${found.words}.`;
  line.querySelector("a")?.remove();
}

if (box) draw();
const line = document.querySelector("[data-check]");
if (line) compare(line);
