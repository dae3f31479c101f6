"use strict";
// The axes of a chart: what stands where, which ticks, how a place is said; and which values of a line are drawn.
const axes = (() => {
  const LEFT = 0.28; // width of the offline phase, as a share of the online one: other units

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (x) => (Math.abs(x) >= 1000 ? Math.round(x).toLocaleString("en") : Number(x.toPrecision(3)).toString()).replace("-", "−");
  const short = (x) => {
    const [size, unit] = Math.abs(x) >= 1e6 ? [1e6, "M"] : Math.abs(x) >= 1e3 ? [1e3, "k"] : [1, ""];
    return `${Number((x / size).toPrecision(3))}${unit}`.replace("-", "−");
  };

  // ---- axes: what stands where, which ticks, and how a place is said
  const across = (chart) => {
    const place = (step) => (step < 0 ? (step / (chart.offline || 1)) * LEFT : step / (chart.online || 1));
    const step = (at) => (at < 0 ? (at / LEFT) * chart.offline : at * chart.online);
    return {
      of: (line, steps) => steps.map(place),
      ends: [chart.offline ? -LEFT * 1.02 : -0.02, chart.online ? 1.02 : 0.14],
      end: chart.online ? 1 : 0.12,
      ticks: (low, high) => {
        const side = (from, to) => (to > from ? ticks(step(from), step(to), 4) : []);
        return [...side(low, Math.min(high, 0)), ...side(Math.max(low, 0), high)].filter((t, i, list) => list.indexOf(t) === i).map(place);
      },
      label: (at) => short(Math.round(step(at))),
      name: chart.offline ? "offline updates | environment steps" : "environment steps",
      said: (at) => (at < 0 ? `${number(Math.round(-step(at)))} updates before the switch` : `${number(Math.round(step(at)))} environment steps`),
    };
  };
  const straight = (chart, of, name) => {
    const reach = [0, ...chart.lines.flatMap((line) => of(line, line.x)).filter(Number.isFinite)];
    const most = Math.max(...reach);
    return {
      of, ends: [0, most * 1.02 || 1], end: null, name, label: short,
      ticks: (low, high) => ticks(low, high, 6), said: (at) => `${number(at)} ${name}`,
    };
  };
  const clock = (chart) => straight(chart, (line, steps) => {
    const [before, until] = line.minutes ?? [NaN, NaN];
    const first = -Math.min(line.x[0], 0) || 1, last = Math.max(line.x.at(-1), 0) || 1;
    return steps.map((s) => (s <= 0 ? before * (1 + s / first) : before + ((until - before) * s) / last));
  }, "minutes since the start");
  const ticks = (low, high, count) => {
    const rough = (high - low) / count, size = 10 ** Math.floor(Math.log10(rough));
    const by = [1, 2, 2.5, 5, 10].map((f) => f * size).find((s) => s >= rough) ?? rough;
    const out = [];
    for (let t = Math.ceil(low / by) * by; t <= high + by * 1e-9; t += by) out.push(Math.abs(t) < by * 1e-9 ? 0 : t);
    return out;
  };

  // ---- what of a line is drawn: every evaluation, means of some in a row, or a running mean
  const seen = (line, smooth) => {
    if (smooth === "means" && line.means) return line.means;
    const width = Number(smooth) || 1;
    if (width === 1) return line;
    const half = Math.floor(width / 2);
    const y = line.y.map((_, i) => {
      let sum = 0, count = 0;
      for (let k = Math.max(0, i - half); k <= Math.min(line.y.length - 1, i + half); k += 1) {
        if (line.y[k] !== null && line.x[k] > 0 === line.x[i] > 0) { sum += line.y[k]; count += 1; } // never across the switch
      }
      return count ? sum / count : null;
    });
    return { x: line.x, y };
  };

  return { across, straight, clock, seen, css, number };
})();
