"use strict";
// A position of the sliders is the number of a cell; all that a cell says was written before, and is only shown here.
const of = (id) => document.getElementById(id);
const data = JSON.parse(of("data").textContent);
const inputs = [...document.querySelectorAll("input[type=range]")];
const rows = [...document.querySelectorAll("tbody tr")];
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LEFT = 44, RIGHT = 8, TOP = 14, BOTTOM = 186;
const narrow = matchMedia("screen and (max-width: 48rem)"); // letters stay legible on a phone

const cellOf = (position) => position.reduce((cell, at, i) => cell * data.sliders[i].texts.length + at, 0);
const templateOf = (position) => Math.floor(cellOf(position) / data.sliders.at(-1).texts.length);
const today = data.sliders.map((slider) => slider.today);
const text = (number) => data.strings[number];

function wanted([base, level, first, until]) {
  const { levels, off, days, ignored, of_base: ofBase, other } = data.week;
  if (ignored.some(([a, b]) => a === first && b === until) && !off[level]) return ofBase.map(() => levels[0][base]);
  return ofBase.map((share, hour) => {
    const isIn = (days >> Math.floor(hour / 24)) & 1 && hour % 24 >= levels[2][first] && hour % 24 < levels[3][until];
    return isIn && !off[level] ? levels[1][level] : share * levels[0][base] + other[hour];
  });
}

function drawn(name, attributes, content = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = content;
  return element;
}

const highest = Math.max(1, ...data.week.levels[0], ...data.week.levels[1], ...data.week.other);
const x = (hour) => LEFT + (((narrow.matches ? 420 : 920) - LEFT - RIGHT) * hour) / 168;
const y = (level) => BOTTOM - (level / highest) * (BOTTOM - TOP);
const steps = (levels) => `M${x(0)} ${y(levels[0])}` + levels.map((l, h) => `V${y(l).toFixed(1)}H${x(h + 1).toFixed(1)}`).join("");

function draw(position) {
  const ink = "var(--ink)", words = { fill: ink, "font-size": 13, "font-family": "inherit" };
  const line = { fill: "none", "stroke-width": 2.5, stroke: "var(--link)" };
  of("week").setAttribute("viewBox", `0 0 ${narrow.matches ? 420 : 920} 220`);
  of("week").replaceChildren(
    ...DAYS.flatMap((day, i) => [
      drawn("path", { d: `M${x(24 * i)} ${TOP}V${BOTTOM}`, stroke: "var(--rule)" }),
      drawn("text", { x: x(24 * i + 12), y: BOTTOM + 20, "text-anchor": "middle", ...words }, day),
    ]),
    drawn("path", { d: `M${x(0)} ${BOTTOM}H${x(168)}`, stroke: "var(--strong)" }),
    drawn("text", { x: LEFT - 6, y: y(0) + 4, "text-anchor": "end", ...words }, "0"),
    drawn("text", { x: LEFT - 6, y: y(highest) + 8, "text-anchor": "end", ...words }, String(highest)),
    drawn("path", { d: steps(wanted(today)), ...line, stroke: ink, "stroke-width": 1.5, "stroke-dasharray": "2 3" }),
    drawn("path", { d: steps(wanted(position)), ...line }),
  );
}

function show() {
  const position = inputs.map((input) => Number(input.value));
  const cell = cellOf(position), template = templateOf(position);
  inputs.forEach((input, i) => {
    const chosen = data.sliders[i].texts[position[i]];
    input.setAttribute("aria-valuetext", chosen);
    input.parentNode.querySelector("b").textContent = chosen;
  });
  rows.forEach((row, i) => (row.cells[2].textContent = text(data.measures[i][cell])));
  of("held").textContent = text(data.held[cell]);
  of("words").textContent = text(data.words[template]);
  of("week").setAttribute("aria-label", `${text(data.words[template])} Dots, as it is today: ${text(data.words[templateOf(today)])}`);
  of("block").textContent = data.blocks[template].map(text).join("\n");
  const daemons = data.sliders.at(-1), many = position.at(-1);
  of("daemons").hidden = many === daemons.today;
  of("daemons").textContent = `With ${daemons.texts[many]} provisioner daemons in place of ${daemons.texts[daemons.today]}, which no template sets.`;
  of("status").textContent = rows.map((row) => `${row.cells[0].textContent} ${row.cells[2].textContent.split(" (")[0]}`).join(", ");
  of("copied").textContent = "";
  draw(position);
}

async function copy() {
  const block = of("block");
  try {
    await navigator.clipboard.writeText(block.textContent);
  } catch {
    getSelection().selectAllChildren(block); // a page from a file may have no clipboard: the block is marked at least
    if (!document.execCommand("copy")) return (of("copied").textContent = "It is marked: copy it by key.");
  }
  of("copied").textContent = "Copied.";
}

for (const input of inputs) input.addEventListener("input", show);
document.querySelector("form").addEventListener("reset", () => setTimeout(show));
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
narrow.addEventListener("change", show);
of("copy").addEventListener("click", copy);
show();
