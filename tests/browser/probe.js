// What the test asks of a page. An expression: an object of functions; nothing of it stays in the page.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const name = (element) =>
    element.tagName.toLowerCase() + (element.id ? "#" + element.id : "") + (element.className && element.className.split ? "." + element.className : "") +
    " " + JSON.stringify((element.textContent || "").trim().slice(0, 40));
  const text = (element) => element.textContent.replace(/\s+/g, " ").trim();
  // What is behind a summary, if it cannot be seen.
  const closed = () =>
    all("details").flatMap((details) =>
      [...details.children].filter((child) => child.tagName !== "SUMMARY" && !child.checkVisibility({ visibilityProperty: true })).map(() => name(details)));
  const press = (element) => element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, view: window }));
  const goesAway = (element) => {
    const link = element.closest("a[href]");
    if (!link) return false;
    const there = new URL(link.getAttribute("href"), location.href);
    return there.protocol !== "javascript:" && there.href.split("#")[0] !== location.href.split("#")[0];
  };

  return {
    closed,
    notOpen: () => all("details:not([open])").map(name),
    count: (selector) => all(selector).length,

    // As a reader without script opens them, the inner ones last.
    openAll: () => {
      let some;
      while ((some = all("details:not([open]) > summary").filter((summary) => summary.checkVisibility())).length) some.forEach((summary) => summary.click());
      return all("details:not([open])").map(name);
    },

    // All that can be read, without the one button that only a script can make use of.
    words: () => {
      all("button.theme").forEach((button) => button.remove());
      return document.body.innerText.replace(/\s+/g, " ").trim();
    },

    sideways: () => {
      const root = document.documentElement;
      const hides = [root, document.body].filter((element) => getComputedStyle(element).overflowX !== "visible").map((element) => name(element) + " hides what is too wide");
      if (root.scrollWidth <= root.clientWidth) return hides;
      const out = all("body *").filter((element) => element.getBoundingClientRect().right > root.clientWidth + 0.5 && !element.parentElement.closest(".scroll"));
      return [...hides, root.scrollWidth + " px wide on a screen of " + root.clientWidth, ...out.slice(0, 5).map(name)];
    },

    // Words that a picture has no room for.
    clipped: () =>
      all("svg text").filter((element) => text(element) && element.checkVisibility()).flatMap((element) => {
        const [box, room] = [element, element.closest("figure, td, section")].map((one) => one.getBoundingClientRect());
        return box.left >= room.left - 0.5 && box.right <= room.right + 0.5 ? [] : [name(element) + " has no room"];
      }),

    // What a page of ours never has, wherever it comes from.
    foreign: () => {
      const problems = [];
      const known = "html head meta title link style body header nav main footer script section h1 h2 h3 h4 p ul ol li a strong em span code b dl dt dd div table caption thead tbody tfoot tr " +
        "th td details summary figure figcaption svg desc text tspan line path circle rect g output button";
      all("*").forEach((element) => {
        if (!known.split(" ").includes(element.localName)) problems.push("an element: " + name(element));
        [...element.attributes].forEach((attribute) => {
          if (/^on|^style$|^src|^srcdoc$|^action$|^formaction$/.test(attribute.localName)) problems.push("an attribute: " + attribute.name + " of " + name(element));
        });
      });
      all("[href]").forEach((link) => {
        const there = link.getAttribute("href");
        if (!/^(#|https?:\/\/|\.\/|data:,$)/i.test(there)) problems.push("a link to " + there);
        if (there[0] === "#" && !document.getElementById(there.slice(1))) problems.push("a link to nothing: " + there);
      });
      const scripts = all("script, style").length;
      if (scripts !== 2) problems.push(scripts + " scripts and styles");
      const ids = all("[id]").map((element) => element.id);
      ids.filter((id, index) => ids.indexOf(id) !== index).forEach((id) => problems.push("twice the same ID: " + id));
      return problems;
    },

    // Everything that somebody may click or come by, if it stays on the page.
    touch: () => {
      const some = all("a, button, summary, [tabindex], [role=button], input, select, img, svg, svg *, b, th, td").filter((element) => !goesAway(element));
      some.forEach((element) => {
        ["pointerover", "mouseover", "mouseenter", "pointermove"].forEach((kind) => element.dispatchEvent(new PointerEvent(kind, { bubbles: true, clientX: 300, clientY: 300 })));
        if (element.focus) element.focus();
        press(element);
      });
      return some.length;
    },

    // Each link within the page, followed: what it leads to is seen.
    links: async () => {
      const problems = [];
      for (const link of all('a[href^="#"]')) {
        const there = link.getAttribute("href");
        all("details[open]").forEach((details) => { details.open = false; });
        history.replaceState(null, "", location.pathname);
        const followed = new Promise((done) => addEventListener("hashchange", done, { once: true }));
        press(link);
        await Promise.race([followed, new Promise((done) => setTimeout(done, 30000))]);
        const target = document.getElementById(there.slice(1));
        if (!target || !target.checkVisibility() || target.matches("details:not([open])")) problems.push(there + " leads to what is not seen");
      }
      return problems;
    },

    // Each column of each table: its cells before, after one click on its heading, and after two.
    sorts: () =>
      all("table").flatMap((table) =>
        all("thead tr > *", table).map((heading, column) => {
          const cells = () => [...table.tBodies[0].rows].map((row) => text(row.cells[column]));
          const rows = () => [...table.tBodies[0].rows].map(text).sort().join("|");
          const [before, whole] = [cells(), rows()];
          const button = heading.querySelector("button");
          const one = { table: text(table.caption), heading: text(heading), isFixed: table.classList.contains("fixed"), hasButton: !!button, before };
          if (!button) return one;
          const sorted = () => { button.click(); return { cells: cells(), says: heading.getAttribute("aria-sort"), isWhole: rows() === whole }; };
          return { ...one, first: sorted(), second: sorted() };
        })),

    theme: () => {
      const button = document.querySelector("button.theme");
      if (!button) return null;
      const look = () => ({ word: text(button), paper: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color });
      const other = () => { button.click(); return look(); };
      return [look(), other(), other()];
    },

    // Where figures are and what their tables hold, for a pointer that moves over them.
    figures: () =>
      all("figure.chart").map((figure) => {
        const headings = all("thead tr > *", figure).map(text);
        return {
          id: figure.id,
          rows: all("tr[data-at]", figure).map((row) => ({ at: +row.dataset.at, says: [...row.cells].map((cell, column) => (column ? headings[column] + " " : "") + text(cell)).join(" · ") })),
        };
      }),
    place: (id) => {
      const figure = document.getElementById(id);
      figure.scrollIntoView({ block: "start" });
      const axis = figure.querySelector("svg.plot .axis").getBoundingClientRect();
      const plot = figure.querySelector("svg").getBoundingClientRect();
      return { left: axis.left, width: axis.width, y: plot.top + 60 };
    },
    readout: (id) => document.getElementById(id).querySelector(".readout").textContent.replace(/\s+/g, " ").trim(),

    // Words in pictures, which axe does not judge: those that stand out too little from what is behind them.
    faint: () => {
      const parse = (color) => { const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
      const over = (above, below) => above.rgb.map((value, index) => value * above.a + below[index] * (1 - above.a));
      const light = (rgb) => rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
      const contrast = (a, b) => { const [high, low] = [light(a), light(b)].sort((x, y) => y - x); return (high + 0.05) / (low + 0.05); };
      const paint = (element) => {
        const style = getComputedStyle(element);
        const isDrawn = element instanceof SVGGeometryElement && element.localName !== "line";
        if (isDrawn && style.fill === "none") return null;
        if (!isDrawn && element instanceof SVGElement) return null;
        const color = parse(isDrawn ? style.fill : style.backgroundColor);
        return { ...color, a: color.a * (isDrawn ? style.fillOpacity : 1) * style.opacity };
      };
      const words = all("svg text").filter((element) => text(element) && element.checkVisibility());
      const faint = words.flatMap((element) => {
        element.scrollIntoView({ block: "center" });
        const style = getComputedStyle(element);
        const box = element.getBoundingClientRect();
        const there = document.elementsFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        const behind = there.slice(there.indexOf(element) + 1).map(paint).filter((color) => color && color.a > 0);
        const hasHalo = style.paintOrder.startsWith("stroke") && style.stroke !== "none" && parseFloat(style.strokeWidth) >= 3;
        const ground = hasHalo ? parse(style.stroke).rgb : behind.reverse().reduce((below, color) => over(color, below), [255, 255, 255]);
        const fill = parse(style.fill);
        const seen = contrast(over({ ...fill, a: fill.a * style.fillOpacity * style.opacity }, ground), ground);
        return seen >= 4.5 ? [] : [name(element) + " has a contrast of " + seen.toFixed(2) + " before " + ground.map(Math.round)];
      });
      return { words: words.length, faint };
    },

    axe: async (isPhone) => {
      // Axe judges no text before a gradient, such as the shadows at the edges of tables, which are over the panel's own colour; and none that has to be scrolled to
      // or stands half outside its panel.
      if (!isPhone) {
        document.body.style.maxWidth = "none";
        all(".scroll").forEach((element) => { element.style.backgroundImage = "none"; element.style.overflow = "visible"; });
      }
      const told = await axe.run(document, { elementRef: true, resultTypes: ["violations", "incomplete"], rules: isPhone ? { "color-contrast": { enabled: false } } : {} });
      const list = (results) => results.flatMap((rule) => rule.nodes.map((node) => {
        const checks = [...node.any, ...node.all, ...node.none];
        return { rule: rule.id, isDrawn: node.element instanceof SVGElement, why: checks.map((check) => check.data?.messageKey || check.id), words: node.target.join(" ") + ": " + checks.map((check) => check.message).join("; ") };
      }));
      return { violations: list(told.violations), incomplete: list(told.incomplete), passes: told.passes.length };
    },
  };
})()
