"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// What needs a script is shown only where one runs.
all(".tools, .copy").forEach((each) => { each.hidden = false; });

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

all(".copy").forEach((button) => button.addEventListener("click", async () => {
  const label = button.innerHTML;
  const done = await copy(button.dataset.text);
  button.focus();
  button.textContent = done ? "Copied" : "Not copied: select the text instead";
  setTimeout(() => { button.innerHTML = label; }, 2000);
}));

all("[data-open]").forEach((button) => button.addEventListener("click", () => {
  const what = button.dataset.open;
  all("details.record").forEach((each) => {
    each.open = what === "all" || (what === "accepted" && !each.classList.contains("refused"));
  });
}));

// A link into something that is folded opens it.
function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();

// On paper everything stands open, and what was folded is folded again afterwards.
let opened = [];
addEventListener("beforeprint", () => {
  opened = all("details:not([open])");
  opened.forEach((each) => { each.open = true; });
});
addEventListener("afterprint", () => opened.forEach((each) => { each.open = false; }));

const filters = all("[data-filter]");
const rows = all("#edits tbody tr");
function filter() {
  const wanted = Object.fromEntries(filters.map((each) => [each.dataset.filter, each.value]));
  const text = (wanted.text || "").toLowerCase();
  rows.forEach((row) => {
    row.hidden = !((!wanted.outcome || row.dataset.outcome === wanted.outcome)
      && (!wanted.predictor || row.dataset.predictor === wanted.predictor)
      && row.textContent.toLowerCase().includes(text));
  });
  const shown = rows.filter((row) => !row.hidden).length;
  document.getElementById("matches").textContent = `${shown} of ${rows.length} edits`;
}
filters.forEach((each) => each.addEventListener("input", filter));
if (filters.length) filter();
