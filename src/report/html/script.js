"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;

  // Theme: as the system has it, until somebody says otherwise.
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "theme";
  const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();
  document.querySelector("header").append(button);

  // Tables: a click on a heading sorts by it; numbers by their size, in whatever unit.
  const units = { ns: 1e-3, us: 1, ms: 1e3, s: 1e6, KiB: 1 / 1024, MiB: 1, GiB: 1024 };
  const value = (text) => {
    const found = text.replace(/,/g, "").match(/^([+-]?\d+(?:\.\d+)?)\s*([a-zA-Z%]*)/);
    return found ? found[1] * (units[found[2]] || 1) : NaN;
  };
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y) || a.localeCompare(b);
    // Moments begin with the same year.
    return x - y || a.localeCompare(b);
  };
  const sort = (table, column, heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const text = (row) => row.cells[column].textContent.trim();
    const rows = [...table.tBodies[0].rows].sort((a, b) => compare(text(a), text(b)) * (down ? -1 : 1));
    table.tBodies[0].append(...rows);
  };
  all("table:not(.fixed)").filter((table) => table.tBodies[0].rows.length > 2).forEach((table) => {
    all("thead tr > *", table).forEach((heading, column) => {
      if (!heading.textContent) return;
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.append(...heading.childNodes);
      sorter.addEventListener("click", () => sort(table, column, heading));
      heading.append(sorter);
    });
  });

  // Figures: the pointer reads the row of the table behind them that stands nearest.
  all("figure.chart").forEach((figure) => {
    const rows = all("tr[data-at]", figure);
    const plots = all("svg.plot", figure);
    if (!rows.length || !plots.length) return;
    const headings = all("thead tr > *", figure).map((heading) => heading.textContent);
    const readout = figure.querySelector(".readout");
    const cursors = plots.map((plot) => {
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      line.setAttribute("class", "cursor");
      line.setAttribute("y1", 0);
      line.setAttribute("y2", plot.getAttribute("height"));
      line.setAttribute("visibility", "hidden");
      line.setAttribute("pointer-events", "none");
      plot.append(line);
      return line;
    });
    const clear = () => {
      readout.textContent = "";
      cursors.forEach((line) => line.setAttribute("visibility", "hidden"));
    };
    const picture = figure.querySelector("svg");
    picture.addEventListener("pointerleave", clear);
    picture.addEventListener("pointermove", (event) => {
      const axis = plots[0].querySelector(".axis").getBoundingClientRect();
      const at = ((event.clientX - axis.left) / axis.width) * 1000;
      if (at < -20 || at > 1020) return clear();
      const far = (row) => Math.abs(row.dataset.at - at);
      const row = rows.reduce((best, other) => (far(other) < far(best) ? other : best));
      readout.textContent = [...row.cells].map((cell, column) => (column ? headings[column] + " " : "") + cell.textContent).join(" · ");
      cursors.forEach((line) => {
        ["x1", "x2"].forEach((end) => line.setAttribute(end, row.dataset.at / 10 + "%"));
        line.setAttribute("visibility", "visible");
      });
    });
  });

  // What a link leads to is open; on paper everything is.
  const open = (element) => {
    for (let within = element; within; within = within.parentElement) if (within.tagName === "DETAILS") within.open = true;
  };
  const follow = () => open(document.getElementById(location.hash.slice(1)));
  addEventListener("hashchange", follow);
  follow();
  addEventListener("beforeprint", () => all("details:not([open])").forEach((details) => {
    details.open = true;
    details.dataset.closed = "";
  }));
  addEventListener("afterprint", () => all("details[data-closed]").forEach((details) => {
    details.open = false;
    delete details.dataset.closed;
  }));
})();
