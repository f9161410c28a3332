// Keys and picking in the inbox. Without it everything works with forms and links alone.
"use strict";

const rows = [...document.querySelectorAll(".case-row")];
const links = rows.map((row) => row.querySelector("a"));
const boxes = [...document.querySelectorAll('input[name="pick"]')];
const several = document.getElementById("several");
const keysOn = document.getElementById("keys-on");

function count() {
  const picked = boxes.filter((box) => box.checked).length;
  document.getElementById("picked").textContent = picked ? ` (${picked} picked)` : "";
  if (picked) several.open = true;
}

function place() {
  const focused = links.indexOf(document.activeElement);
  return focused >= 0 ? focused : links.findIndex((link) => link.hasAttribute("aria-current"));
}

function go(step) {
  const next = links[place() + step];
  if (next) next.click();
}

function toggle() {
  const box = rows[place()]?.querySelector('input[name="pick"]');
  if (box && !box.disabled) {
    box.checked = !box.checked;
    count();
  }
}

const KEYS = {
  j: () => go(1),
  k: () => go(-1),
  x: toggle,
  c: () => document.getElementById("comment")?.focus(),
  a: () => document.getElementById("approve")?.focus(),
  r: () => document.getElementById("reject")?.focus(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (!keysOn?.checked || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

if (keysOn) {
  keysOn.checked = localStorage.getItem("recoup-keys") !== "off";
  keysOn.addEventListener("change", () => localStorage.setItem("recoup-keys", keysOn.checked ? "on" : "off"));
}
if (several) {
  const all = document.getElementById("pick-all");
  all.hidden = false;
  all.addEventListener("click", () => {
    boxes.filter((box) => !box.disabled).forEach((box) => { box.checked = true; });
    count();
  });
  boxes.forEach((box) => box.addEventListener("change", count));
}
