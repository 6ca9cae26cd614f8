"use strict";
// Rows are sorted by the number or text of a column, and hidden where they lack what is searched for.
const table = document.querySelector("table"), rows = [...table.tBodies[0].rows];
const search = document.querySelector("input"), count = document.querySelector("output");
function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    shown += !row.hidden;
  }
  count.textContent = words.length ? `${shown} of ${rows.length}` : "";
}
search.addEventListener("input", find);
table.tHead.addEventListener("click", (event) => {
  const heading = event.target.closest("th");
  if (!heading) return;
  const falling = heading.ariaSort === "ascending", column = heading.cellIndex;
  for (const other of heading.parentNode.cells) other.ariaSort = "none";
  heading.ariaSort = falling ? "descending" : "ascending";
  const value = (row) => row.cells[column].dataset.value;
  const compared = (a, b) =>
    column === 0 ? a.localeCompare(b) : Number(a) - Number(b);
  rows.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === ""); // what has no number is last either way
    return falling ? compared(y, x) : compared(x, y);
  });
  table.tBodies[0].append(...rows);
});
document.querySelector("search").hidden = false;
