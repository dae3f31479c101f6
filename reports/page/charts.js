"use strict";
// Curves with values on hover, methods on and off, zoom and smoothing, drawn by uPlot from the numbers in #charts.
// Without this script, and on paper, the same curves stand there as drawings.
(() => {
  const { make, all, choice } = page;
  const data = document.getElementById("charts");
  if (!data || typeof uPlot === "undefined") return;
  const charts = JSON.parse(data.textContent);

  // ---- controls
  const options = (choices) => choices.map(([value, text]) => make("option", { value, textContent: text }));
  const select = (label, choices, change) => {
    const list = make("select", {}, ...options(choices));
    list.addEventListener("change", () => change(list.value));
    return make("label", {}, `${label} `, list);
  };
  const button = (text, name, click) => {
    const made = make("button", { type: "button", textContent: text });
    if (name) made.setAttribute("aria-label", name);
    made.addEventListener("click", click);
    return made;
  };
  const tick = (label, change) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => change(box.checked));
    return make("label", {}, box, ` ${label}`);
  };

  const started = [];
  const start = (figure, specs) => {
    const lines = specs.flatMap((spec) => spec.lines);
    const state = { smooth: "1", seeds: false, time: false };
    const box = make("div", { className: "chart" }), tools = make("div", { className: "tools" });
    let chart;
    const again = () => chart.build();
    const smoothing = select("Smoothing", [], (value) => { state.smooth = value; again(); });
    const offer = (spec) => { // the means of some evaluations have bands; running means have none
      const means = spec.lines.find((line) => line.means)?.means;
      const running = ["3", "5", "11"].map((width) => [width, `running mean of ${width}`]);
      state.smooth = means ? "means" : "1";
      smoothing.lastChild.replaceChildren(...options([...(means ? [["means", `means of ${means.each} evaluations`]] : []), ["1", "none"], ...running]));
    };
    if (specs.length > 1) {
      tools.append(select("Show", specs.map((spec, i) => [i, spec.name]), (i) => {
        chart.chart = specs[i];
        chart.zoomed = false;
        offer(specs[i]);
        again();
      }));
    }
    offer(specs[0]);
    if (Math.max(...lines.map((line) => line.x.length)) > 4) tools.append(smoothing);
    if (lines.some((line) => line.seeds)) tools.append(tick("single seeds", (on) => { state.seeds = on; chart.plot.redraw(); }));
    if (lines.some((line) => line.minutes)) tools.append(tick("against wall time", (on) => { state.time = on; chart.zoomed = false; again(); }));
    const larger = button("Enlarge", "", () => {
      const on = figure.classList.toggle("large");
      larger.textContent = on ? "Reduce" : "Enlarge";
      chart.fit();
    });
    tools.append(make("span", { className: "zoom" }, button("−", "Zoom out", () => chart.zoom(2)), button("+", "Zoom in", () => chart.zoom(0.5)),
      button("All", "Show the whole curve", () => chart.whole())), larger);
    figure.prepend(tools, box);
    figure.classList.add("started");
    chart = new Chart(box, specs[0], state);
    chart.room.addEventListener("dblclick", () => chart.whole());
    new ResizeObserver(() => chart.fit()).observe(box);
    started.push(chart);
  };

  const curves = charts.filter((chart) => "offline" in chart);
  const shown = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
    shown.unobserve(target);
    const own = target.dataset.chart === undefined ? [] : [charts[target.dataset.chart]];
    start(target, "overview" in target.dataset ? [...own, ...curves] : own);
  }), { rootMargin: "400px" });
  all("figure.live").forEach((figure) => shown.observe(figure));
  choice.listen(() => started.forEach((chart) => chart.follow()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => started.forEach((chart) => chart.plot.redraw()));
})();
