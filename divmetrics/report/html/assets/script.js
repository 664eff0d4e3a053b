"use strict";
(() => {
  const make = (name, text, kind) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const worth = (cell) => {
    const text = cell.dataset.sort ?? cell.textContent.trim().replace(/[,%\s]/g, "").replace(/^</, "");
    const found = text === "" ? NaN : Number(text);
    return Number.isNaN(found) ? cell.textContent.trim() : found;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b
      : typeof a === "number" ? -1 : typeof b === "number" ? 1
      : (a === "") - (b === "") || a.localeCompare(b, undefined, { numeric: true });

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.classList.contains("unsorted")) return;
      const button = make("button", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows].map((row) => [worth(row.cells[column]), row]);
        rows.sort((a, b) => (up ? compare(a[0], b[0]) : compare(b[0], a[0])));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  for (const table of document.querySelectorAll("table.filterable")) {
    const label = make("label", "Filter", "filter");
    const input = make("input");
    input.type = "search";
    label.append(input);
    table.parentElement.before(label);
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }

  for (const block of document.querySelectorAll(".command")) {
    const button = make("button", "Copy", "copy");
    button.type = "button";
    button.addEventListener("click", async () => {
      const text = block.querySelector("code").textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block.querySelector("code"));
        button.textContent = "Selected";
      }
    });
    block.append(button);
  }

  // where a stretch of this size may begin so that it stays inside the whole one
  const keep = (begin, size, least, whole) => Math.min(Math.max(begin, least), least + whole - size);
  const places = document.getElementById("places");
  const rows = places ? [...places.tBodies[0].rows] : [];
  const tip = make("div", "", "tip");
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);

  for (const map of document.querySelectorAll(".map svg")) {
    const spots = [...map.querySelectorAll("circle")];
    const home = map.viewBox.baseVal;
    const whole = { x: home.x, y: home.y, width: home.width, height: home.height };
    let now = null;

    const show = (spot) => {
      now?.classList.remove("now");
      now = spot;
      tip.hidden = !spot;
      if (!spot) return;
      spot.classList.add("now");
      const cells = rows[spot.dataset.i].cells;
      const picture = cells[cells.length - 1].querySelector("img");
      const about = [...cells].slice(0, 4).map((cell) => cell.textContent.trim()).filter(Boolean);
      tip.replaceChildren(make("div", about.join(" · ")));
      if (picture) {
        const copy = make("img");
        copy.src = picture.src;
        copy.alt = "";
        tip.prepend(copy);
      }
      const box = spot.getBoundingClientRect();
      const left = Math.min(box.right + 10, innerWidth - tip.offsetWidth - 8);
      tip.style.left = `${Math.max(8, left)}px`;
      tip.style.top = `${Math.max(8, Math.min(box.bottom + 8, innerHeight - tip.offsetHeight - 8))}px`;
    };
    const view = ({ x, y, width, height }) => {
      map.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
      const size = (3 * Math.sqrt(width / whole.width)).toFixed(2);
      for (const spot of spots) spot.setAttribute("r", size);
    };
    const zoom = (factor, centre) => {
      const box = map.viewBox.baseVal;
      const width = Math.min(whole.width, Math.max(whole.width / 40, box.width * factor));
      const scale = width / box.width;
      const at = centre ?? { x: box.x + box.width / 2, y: box.y + box.height / 2 };
      const height = box.height * scale;
      const x = keep(at.x - (at.x - box.x) * scale, width, whole.x, whole.width);
      const y = keep(at.y - (at.y - box.y) * scale, height, whole.y, whole.height);
      view({ x, y, width, height });
    };
    const inside = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());

    map.addEventListener("pointermove", (event) => {
      if (event.target.tagName === "circle") show(event.target);
      else if (event.pointerType === "mouse") show(null);
      if (drag && event.buttons) {
        const at = inside(event);
        const box = map.viewBox.baseVal;
        const { width, height } = box;
        view({ x: keep(box.x + drag.x - at.x, width, whole.x, whole.width),
          y: keep(box.y + drag.y - at.y, height, whole.y, whole.height), width, height });
      }
    });
    let drag = null;
    map.addEventListener("pointerdown", (event) => {
      drag = inside(event);
      if (event.target.tagName === "circle") show(event.target);
    });
    addEventListener("pointerup", () => { drag = null; });
    map.addEventListener("pointerleave", () => show(null));
    map.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey && document.activeElement !== map) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 0.8 : 1.25, inside(event));
    }, { passive: false });
    map.addEventListener("dblclick", (event) => zoom(0.5, inside(event)));
    map.addEventListener("blur", () => show(null));

    map.setAttribute("tabindex", "0");
    map.setAttribute("role", "application");  // arrow keys are its own
    const hint = make("p", "Arrow keys go from point to point; + and − zoom, 0 shows all.", "hint");
    hint.id = `${map.id}-hint`;
    map.setAttribute("aria-describedby", hint.id);
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    map.addEventListener("keydown", (event) => {
      if (event.key === "Escape") show(null);
      else if (event.key === "+" || event.key === "=") zoom(0.7);
      else if (event.key === "-") zoom(1 / 0.7);
      else if (event.key === "0") view(whole);
      else if (event.key in ways) {
        const [dx, dy] = ways[event.key];
        const from = now ? [now.cx.baseVal.value, now.cy.baseVal.value] : [whole.width / 2, whole.height / 2];
        let best = null;
        let least = Infinity;
        for (const spot of spots) {
          if (spot === now || getComputedStyle(spot).display === "none") continue;
          const x = spot.cx.baseVal.value - from[0];
          const y = spot.cy.baseVal.value - from[1];
          const along = x * dx + y * dy;
          const cost = along + 3 * Math.abs(x * dy - y * dx);
          if (now ? along > 0 && cost < least : Math.hypot(x, y) < least) {
            least = now ? cost : Math.hypot(x, y);
            best = spot;
          }
        }
        if (best) show(best);
      } else return;
      event.preventDefault();
    });

    const bar = make("div", "", "zoom");
    for (const [text, name, act] of [["+", "Zoom in", () => zoom(0.7)], ["−", "Zoom out", () => zoom(1 / 0.7)], ["Reset", "Reset", () => view(whole)]]) {
      const button = make("button", text);
      button.type = "button";
      button.setAttribute("aria-label", `${name}: ${map.id}`);
      button.addEventListener("click", act);
      bar.append(button);
    }
    map.after(bar, hint);
  }
})();
