"use strict";
// Sort a table by a column: a button in each head, numbers by their whole value.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const key = (row) => {
        const number = row.cells[place].querySelector("data");
        const value = number ? Number(number.value) : NaN;
        return Number.isNaN(value) ? row.cells[place].textContent.trim() : value;
      };
      const rows = [...body.rows].map((row) => [key(row), row]);
      rows.sort(([a], [b]) => {
        if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // no value: last
        const order = typeof a === "number" ? a - b : a.localeCompare(b);
        return rising ? order : -order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
// A number shows where it stands in the JSON file.
document.addEventListener("pointerover", ({ target }) => {
  const number = target.closest?.("[data-path]");
  if (number instanceof HTMLElement) number.title = number.dataset.path;
});
// On paper nothing is folded.
const opened = [];
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    opened.push(details);
  }
});
addEventListener("afterprint", () => {
  while (opened.length) opened.pop().open = false;
});
