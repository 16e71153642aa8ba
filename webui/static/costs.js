// Draws the cost chart from the figure the server made, in the page's own colours, with plotly served from this server.
const box = document.getElementById("cost-chart");
const colour = (name) => {
  // A probe resolves light-dark() and color-mix() to the colour in force.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

function dress(figure) {
  const ink = colour("--ink-3"), rule = colour("--rule");
  const axis = { gridcolor: rule, linecolor: rule, zerolinecolor: rule, tickfont: { size: 11 } };
  const traces = figure.data.map((trace, n) => ({ ...trace, marker: { ...trace.marker, color: colour(`--c${(n % 6) + 1}`) } }));
  const layout = {
    ...figure.layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12, family: getComputedStyle(document.body).fontFamily },
    xaxis: { ...figure.layout.xaxis, ...axis }, yaxis: { ...figure.layout.yaxis, ...axis },
    hoverlabel: { bgcolor: colour("--raised"), bordercolor: rule, font: { color: colour("--ink") } },
  };
  return [traces, layout];
}

function legend(names) {
  const svg = "http://www.w3.org/2000/svg";
  const entries = names.map((name, n) => {
    const mark = document.createElementNS(svg, "svg"), square = document.createElementNS(svg, "rect"), entry = document.createElement("span");
    square.setAttribute("width", "10");
    square.setAttribute("height", "10");
    square.setAttribute("class", `c${(n % 6) + 1}`);
    mark.append(square);
    entry.append(mark, name);
    return entry;
  });
  document.getElementById("cost-legend").replaceChildren(...entries);
}

async function draw() {
  const answer = await fetch(box.dataset.figure);
  if (!answer.ok) { box.textContent = "The chart could not be loaded; the tables below have the same figures."; return; }
  const figure = await answer.json();
  if (!figure.data.length) { box.classList.add("none"); box.textContent = "No call in this range has a price."; return; }
  const show = () => Plotly.react(box, ...dress(figure), { displayModeBar: false, responsive: true, displaylogo: false });
  await show();
  legend(figure.data.map((trace) => trace.name));
  addEventListener("clew:theme", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
}

if (box) draw();
