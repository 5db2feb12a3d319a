"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const numeric = body.rows.length > 0 && [...body.rows].every((row) => "v" in row.cells[column].dataset);
      const was = head.getAttribute("aria-sort");
      const up = was ? was === "descending" : !numeric; // numbers begin with the largest
      const key = (row) => (numeric ? Number(row.cells[column].dataset.v) : row.cells[column].textContent);
      const order = (a, b) => (numeric ? key(a) - key(b) : key(a).localeCompare(key(b), "en", { numeric: true }));
      const rows = [...body.rows].sort((a, b) => (up ? order(a, b) : order(b, a)));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...rows);
    });
  });
}
