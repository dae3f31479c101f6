"use strict";
// One chart, drawn by uPlot: lines with bands and single seeds, a legend that says values, zoom, and the keyboard.
const Chart = (() => {
  const { make, choice } = page;
  const { across, straight, clock, seen, css, number } = axes;
  const TALL = 300, TALLER = 560;

  class Chart {
    constructor(box, chart, state) {
      Object.assign(this, { box, chart, state, shownAt: null });
      this.room = make("div", { className: "plot", tabIndex: 0, chart: this });
      this.room.setAttribute("role", "application");
      this.room.setAttribute("aria-label", `${chart.name}: ${chart.y}. Arrow keys walk through the evaluations, plus and minus zoom, 0 shows all.`);
      this.said = make("output", { className: "said" });
      this.legend = make("div", { className: "legend" });
      box.append(this.said, this.room, this.legend);
      this.room.addEventListener("keydown", (event) => this.key(event));
      this.build();
    }

    build() {
      this.plot?.destroy();
      const { chart, state } = this;
      this.axis = state.time && chart.lines.some((line) => line.minutes) ? clock(chart) : "offline" in chart ? across(chart) : straight(chart, (_, x) => x, chart.x);
      this.lines = chart.lines.map((line) => {
        const { x, y, low, high } = seen(line, state.smooth);
        return { line, x: this.axis.of(line, x), y, low, high };
      }).filter((one) => one.x.every(Number.isFinite));
      this.plot = new uPlot(this.options(), this.columns(), this.room);
      this.names();
      this.follow();
    }

    columns() {
      const xs = [...new Set(this.lines.flatMap((one) => one.x))].sort((a, b) => a - b);
      const at = new Map(xs.map((x, i) => [x, i]));
      return [xs, ...this.lines.map((one) => {
        const column = new Array(xs.length).fill(null);
        one.x.forEach((x, i) => { column[at.get(x)] = one.y[i]; });
        return column;
      })];
    }

    options() {
      const { axis, chart } = this, ink = () => css("--ink"), faint = () => css("--line");
      const font = "12px system-ui, sans-serif";
      return {
        width: this.width(), height: this.height(), legend: { show: false },
        cursor: { drag: { x: true, y: false }, points: { size: 7 }, y: false },
        scales: {
          x: { time: false, range: (_, low, high) => (this.zoomed ? [low, high] : axis.ends) },
          y: { range: (plot, low, high) => this.yRange(low, high) },
        },
        axes: [
          { stroke: ink, font, labelFont: font, label: axis.name, labelSize: 18, size: 30, grid: { show: false }, ticks: { stroke: faint, size: 5 },
            splits: (plot, _, low, high) => axis.ticks(low, high), values: (_, splits) => splits.map(axis.label) },
          { stroke: ink, font, labelFont: font, label: chart.y, labelSize: 18, size: 52, grid: { stroke: faint, width: 1 }, ticks: { show: false },
            values: (_, splits) => splits.map(number) },
        ],
        series: [{}, ...this.lines.map(({ line, x }) => ({
          label: line.of, show: choice.shows(line.of), stroke: () => css(`--${line.hue}`), width: 2, dash: line.dash,
          spanGaps: true, points: { show: x.length <= 15, size: 5 },
        }))],
        hooks: {
          drawClear: [(plot) => this.under(plot)],
          draw: [(plot) => this.over(plot)],
          setCursor: [(plot) => this.values(plot.cursor.idx)],
          setSelect: [() => { this.zoomed = true; }],
        },
      };
    }

    yRange(low, high) {
      if (low === null) return [0, 1];
      if (this.chart.share && !this.zoomed) return [-0.02, 1.02];
      const bands = this.lines.filter((one) => one.low && choice.shows(one.line.of));
      const [from, to] = [this.plot?.scales.x.min ?? -Infinity, this.plot?.scales.x.max ?? Infinity];
      const near = (one, values) => values.filter((_, i) => one.x[i] >= from && one.x[i] <= to);
      const all = [low, high, ...bands.flatMap((one) => [...near(one, one.low), ...near(one, one.high)])].filter((y) => y !== null);
      const [least, most] = [Math.min(...all), Math.max(...all)], pad = (most - least) * 0.05 || Math.abs(most) * 0.05 || 0.05;
      return [least - pad, most + pad];
    }

    // ---- below the lines: the shade of the offline phase, bands, single seeds; above them: ends
    inside(plot, draw) {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      draw(ctx, (x) => plot.valToPos(x, "x", true), (y) => plot.valToPos(y, "y", true));
      ctx.restore();
    }

    under(plot) {
      this.inside(plot, (ctx, px, py) => {
        const { bbox } = plot;
        if (this.axis.end !== null && this.chart.offline) {
          ctx.fillStyle = css("--band");
          ctx.fillRect(bbox.left, bbox.top, px(0) - bbox.left, bbox.height);
        }
        if (this.axis.end !== null) {
          ctx.fillStyle = css("--soft");
          ctx.fillRect(px(0), bbox.top, 1, bbox.height);
        }
        const on = this.lines.filter((one) => choice.shows(one.line.of));
        const looked = on.some((one) => one.line.of === this.looked);
        for (const { line, x, low, high } of on) {
          if (!low || (looked && line.of !== this.looked)) continue;
          ctx.globalAlpha = looked ? 0.25 : Math.min(0.2, 0.7 / on.length); // many on top of each other are mud
          ctx.fillStyle = css(`--${line.hue}`);
          ctx.beginPath();
          x.forEach((at, i) => ctx.lineTo(px(at), py(low[i])));
          [...x.keys()].reverse().forEach((i) => ctx.lineTo(px(x[i]), py(high[i])));
          ctx.fill();
        }
        for (const { line } of on) {
          if (this.state.seeds) this.singles(ctx, px, py, line, line.seeds, []);
          this.singles(ctx, px, py, line, line.lost, [2 * devicePixelRatio, 2 * devicePixelRatio]);
        }
      });
    }

    singles(ctx, px, py, line, seeds, dash) {
      if (!seeds) return;
      const x = this.axis.of(line, seeds.x);
      ctx.globalAlpha = dash.length ? 0.7 : 0.35;
      ctx.setLineDash(dash);
      ctx.strokeStyle = css(`--${line.hue}`);
      ctx.lineWidth = devicePixelRatio;
      for (const values of seeds.y) {
        ctx.beginPath();
        values.forEach((y, i) => { if (y !== null) ctx.lineTo(px(x[i]), py(y)); });
        ctx.stroke();
      }
    }

    over(plot) {
      this.inside(plot, (ctx, px, py) => {
        for (const { line, x, y } of this.lines) {
          if (!choice.shows(line.of) || !x.length) continue;
          ctx.strokeStyle = css(`--${line.hue}`);
          ctx.lineWidth = devicePixelRatio;
          if (line.level && this.axis.end !== null) {
            ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
            ctx.beginPath();
            ctx.moveTo(px(x.at(-1)), py(y.at(-1)));
            ctx.lineTo(px(this.axis.end), py(y.at(-1)));
            ctx.stroke();
            ctx.setLineDash([]);
          }
          if (line.open) {
            ctx.fillStyle = css("--paper");
            ctx.lineWidth = 2 * devicePixelRatio;
            ctx.beginPath();
            ctx.arc(px(x.at(-1)), py(y.at(-1)), 4 * devicePixelRatio, 0, 2 * Math.PI);
            ctx.fill();
            ctx.stroke();
          }
        }
      });
    }

    // ---- the legend: a button for each entry, with its value where the pointer or the keyboard stands
    names() {
      this.buttons = this.lines.map(({ line }) => {
        const mark = `<svg viewBox="0 0 28 8" width="28" height="8" aria-hidden="true"><path d="M0 4H28" style="stroke:var(--${line.hue});stroke-width:2.5;stroke-dasharray:${line.dash.join(" ") || "none"}"/></svg>`;
        const button = make("button", { type: "button", innerHTML: mark });
        button.append(make("span", { textContent: line.of + (line.level ? " (offline only)" : "") }), make("span", { className: "value" }));
        button.addEventListener("click", () => choice.toggle(line.of));
        for (const [event, name] of [["pointerenter", line.of], ["focus", line.of], ["pointerleave", null], ["blur", null]]) {
          button.addEventListener(event, () => { this.looked = name; this.plot.redraw(false); }); // its band alone
        }
        return button;
      });
      this.legend.replaceChildren(...this.buttons);
    }

    values(index) {
      const x = index === null || index === undefined ? null : this.plot.data[0][index];
      this.shownAt = index ?? null;
      this.said.textContent = x === null ? "" : `At ${this.axis.said(x)}:`;
      this.lines.forEach((one, i) => {
        let at = -1;
        if (x !== null) one.x.forEach((place, k) => { if (place <= x + 1e-9) at = k; }); // its last evaluation so far
        const known = at >= 0 && one.y[at] !== null && (x <= one.x.at(-1) + 1e-9 || one.line.level);
        const limits = known && one.low ? ` [${number(one.low[at])}, ${number(one.high[at])}]` : "";
        this.buttons[i].querySelector(".value").textContent = known ? ` ${number(one.y[at])}${limits}` : "";
      });
    }

    key(event) {
      const { plot } = this, xs = plot.data[0], { min, max } = plot.scales.x;
      const to = (index) => {
        plot.setCursor({ left: plot.valToPos(xs[index], "x"), top: 20 });
        this.values(index);
      };
      const inside = xs.flatMap((x, i) => (x >= min && x <= max ? [i] : []));
      const near = this.shownAt === null ? -1 : inside.indexOf(this.shownAt);
      const steps = { ArrowRight: Math.min(near + 1, inside.length - 1), ArrowLeft: near < 0 ? inside.length - 1 : Math.max(near - 1, 0) };
      if (event.key in steps && inside.length) to(inside[steps[event.key]]);
      else if (event.key === "+" || event.key === "=") this.zoom(0.5);
      else if (event.key === "-") this.zoom(2);
      else if (event.key === "0") this.whole();
      else return;
      event.preventDefault();
    }

    // ---- zoom: around what is looked at, never beyond the whole
    zoom(by) {
      const { min, max } = this.plot.scales.x, [low, high] = this.axis.ends;
      const middle = this.shownAt === null ? (min + max) / 2 : this.plot.data[0][this.shownAt];
      const half = ((max - min) * by) / 2;
      if (2 * half >= high - low) { this.whole(); return; }
      this.zoomed = true;
      const from = Math.min(Math.max(middle - half, low), high - 2 * half);
      this.plot.setScale("x", { min: from, max: from + 2 * half });
    }

    whole() {
      this.zoomed = false;
      this.plot.setScale("x", { min: this.axis.ends[0], max: this.axis.ends[1] });
    }

    follow() {
      this.lines.forEach(({ line }, i) => {
        const on = choice.shows(line.of);
        this.buttons[i].setAttribute("aria-pressed", String(on));
        this.plot.setSeries(i + 1, { show: on });
      });
      this.plot.redraw();
    }

    width() { return Math.max(240, Math.floor(this.box.clientWidth)); }
    height() { return this.box.closest(".large") ? TALLER : TALL; }
    fit() {
      if (this.box.clientWidth && (this.plot.width !== this.width() || this.plot.height !== this.height())) {
        this.plot.setSize({ width: this.width(), height: this.height() });
      }
    }
  }

  return Chart;
})();
