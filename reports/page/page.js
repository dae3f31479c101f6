"use strict";
// Sorting, filtering and enlarging. The page is complete without it: every control is made here.
const page = (() => {
  const make = (tag, fields = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), fields);
    node.append(...children);
    return node;
  };
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const text = (node) => node.textContent.trim().replace(/\s+/g, " ");

  // ---- numbers: "0.62 [0.50, 0.71]", "1,234", "−3.1", "12 %"; NaN for what is not one, such as "0, 1, 2" or "2d-maze"
  const NUMBER = /^([-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:e[-+]?\d+)?)(?=$|[\s%[(])/i;
  const numeric = (shown) => {
    const found = NUMBER.exec(shown);
    return found && /\d/.test(found[1]) ? Number(found[1].replace(/,/g, "").replace("−", "-")) : NaN;
  };
  const blank = (shown) => shown === "" || shown === "–";

  // ---- sorting: up, down, as it was; empty cells last in either direction
  const sortable = (table) => {
    const body = table.tBodies[0], original = [...body.rows], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")] ?? "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next !== "none") head.setAttribute("aria-sort", next);
        body.append(...(next === "none" ? original : sorted(original, column, next === "ascending" ? 1 : -1)));
      });
    });
  };
  const sorted = (rows, column, sign) => {
    const keys = new Map(rows.map((row) => [row, text(row.cells[column])]));
    const filled = [...keys.values()].filter((shown) => !blank(shown));
    const byNumber = filled.every((shown) => !Number.isNaN(numeric(shown)));
    const order = byNumber
      ? (a, b) => numeric(a) - numeric(b)
      : (a, b) => a.localeCompare(b, "en", { numeric: true, sensitivity: "base" });
    return [...rows].sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      return blank(x) || blank(y) ? blank(x) - blank(y) : sign * order(x, y);
    });
  };

  // ---- filtering: lists of things that are shown or hidden, by a search box each and by one choice for the page
  const chosen = { task: new Set(), algorithm: new Set() };
  const lists = [];
  const wanted = (item) => ["task", "algorithm"].every((kind) =>
    !chosen[kind].size || !item[kind].length || item[kind].some((name) => chosen[kind].has(name)));
  const filterable = (items, noun, place, searchable) => {
    const count = make("output", { className: "shown" });
    const controls = make("div", { className: "find" });
    let words = [];
    const update = () => {
      const kept = items.filter((item) => {
        const keep = wanted(item) && words.every((word) => item.words().includes(word));
        item.node.hidden = !keep;
        return keep;
      });
      count.textContent = kept.length < items.length ? `showing ${kept.length} of ${items.length} ${noun}` : "";
    };
    if (searchable) {
      const input = make("input", { type: "search", spellcheck: false, autocomplete: "off" });
      controls.append(make("label", {}, `Search ${noun} `, input));
      input.addEventListener("input", () => { words = input.value.toLowerCase().split(/\s+/).filter(Boolean); update(); });
    }
    controls.append(count);
    place(controls);
    lists.push(update);
  };
  const item = (node, task, algorithm) => {
    let words;
    return { node, task, algorithm, words: () => (words ??= text(node).toLowerCase()) };
  };
  const rowsOf = (table) => {
    const heads = [...table.tHead.rows[0].cells].map((head) => head.dataset.key);
    return [...table.tBodies[0].rows].map((row) => {
      const values = (isKey) => heads.flatMap((key, i) => (key && isKey(key) ? [text(row.cells[i])] : []));
      return item(row, values((key) => key === "task"), values((key) => key !== "task"));
    });
  };

  const SMALL = 12; // a table with fewer rows needs no search box
  const known = { task: new Set(), algorithm: new Set() };
  for (const table of all("figure.table table")) {
    const rows = rowsOf(table);
    sortable(table);
    for (const row of rows) for (const kind in known) row[kind].forEach((name) => known[kind].add(name));
    filterable(rows, "rows", (controls) => table.parentNode.before(controls), rows.length >= SMALL);
  }
  for (const [section, noun] of [["curves", "tasks"], ["runs", "runs"]]) {
    const parts = all(`#${section} [data-task]`);
    const items = parts.map((node) => item(node, [node.dataset.task], node.dataset.algorithm ? [node.dataset.algorithm] : []));
    if (items.length) filterable(items, noun, (controls) => parts[0].before(controls), noun === "runs");
  }

  // ---- one choice for the page: tables, tasks, runs, drawings and charts follow it; nothing chosen is everything
  const parts = new Map(); // entry -> what is drawn of it
  for (const node of all("[data-of]")) parts.set(node.dataset.of, [...(parts.get(node.dataset.of) ?? []), node]);
  for (const name of parts.keys()) known.algorithm.add(name);
  const listeners = [];
  const choice = {
    shows: (name) => !chosen.algorithm.size || chosen.algorithm.has(name),
    listen: (react) => { listeners.push(react); },
    toggle: (name) => { // as in a legend: from all of them, one is taken away
      if (!chosen.algorithm.size) known.algorithm.forEach((one) => chosen.algorithm.add(one));
      if (!chosen.algorithm.delete(name)) chosen.algorithm.add(name);
      if (chosen.algorithm.size === known.algorithm.size) chosen.algorithm.clear();
      choice.changed();
    },
    changed: () => {
      lists.forEach((list) => list());
      for (const [name, nodes] of parts) nodes.forEach((node) => node.toggleAttribute("hidden", !choice.shows(name)));
      listeners.forEach((react) => react());
    },
  };

  const chooser = () => {
    const title = make("summary"), boxes = [];
    const group = (kind, legend) => make("fieldset", {}, make("legend", { textContent: legend }),
      ...[...known[kind]].sort().map((name) => {
        const box = make("input", { type: "checkbox" });
        boxes.push([box, kind, name]);
        box.addEventListener("change", () => { chosen[kind][box.checked ? "add" : "delete"](name); choice.changed(); });
        return make("label", {}, box, ` ${name}`);
      }));
    const clear = make("button", { type: "button", textContent: "Show all" });
    const panel = make("details", { className: "chooser" }, title,
      group("algorithm", "Algorithms (none chosen: all)"), group("task", "Tasks (none chosen: all)"), clear,
      make("span", { className: "soft", textContent: " Tables, figures, tasks and runs follow the choice. What is computed over tasks is still over all of them." }));
    clear.addEventListener("click", () => {
      for (const kind in chosen) chosen[kind].clear();
      choice.changed();
    });
    choice.listen(() => {
      const some = (kind, plural) => [...chosen[kind]].join(", ") || `all ${plural}`;
      title.textContent = `Show ${some("algorithm", "algorithms")} on ${some("task", "tasks")}`;
      boxes.forEach(([box, kind, name]) => { box.checked = chosen[kind].has(name); });
    });
    document.querySelector(".bar > div").append(panel);
    choice.changed();
  };
  chooser();

  // ---- enlarging: to the window, or half as large again where that would be no larger than on the page
  const caption = make("span");
  const size = make("button", { type: "button" });
  const close = make("button", { type: "button", textContent: "Close", autofocus: true });
  const room = make("div", { tabIndex: 0 });
  room.setAttribute("role", "region");
  room.setAttribute("aria-label", "The enlarged figure");
  const dialog = make("dialog", {}, make("p", {}, caption, size, close), room);
  const resize = (actual) => {
    dialog.classList.toggle("actual", actual);
    size.textContent = actual ? "Fit the window" : "Larger still";
  };
  size.addEventListener("click", () => resize(!dialog.classList.contains("actual")));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  for (const pan of all("figure.picture:not(.live) > .pan")) {
    const title = text(pan.parentNode.querySelector("figcaption .what")), drawing = pan.firstElementChild;
    const button = make("button", { type: "button" });
    button.setAttribute("aria-label", `Enlarge: ${title}`);
    drawing.replaceWith(button);
    button.append(drawing);
    button.addEventListener("click", () => {
      const copy = drawing.cloneNode(true), shown = drawing.getBoundingClientRect();
      copy.querySelectorAll("[id]").forEach((node) => { node.id = `large-${node.id}`; });
      for (const name of ["clip-path", "href", "xlink:href"]) {
        copy.querySelectorAll(`[${CSS.escape(name)}]`).forEach((node) => node.setAttribute(name, node.getAttribute(name).replace("#", "#large-")));
      }
      room.replaceChildren(copy);
      caption.textContent = title;
      dialog.setAttribute("aria-label", title);
      dialog.showModal();
      const fits = Math.min(room.clientWidth / shown.width, room.clientHeight / shown.height);
      copy.style.setProperty("--larger", `${Math.round(shown.width * Math.max(1.5, fits * 1.5))}px`);
      resize(fits < 1.2); // one that fits the window is hardly larger than before, as on a phone
    });
  }

  // ---- details: a link to a run opens it; figures and what was left out are printed, long lists of settings are not
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    target.hidden = false;
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = all("details.printed:not([open])");
    opened.forEach((node) => { node.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((node) => { node.open = false; }));
  return { make, all, choice };
})();
