// Draws the charts of a page. Vega's expressions are interpreted (ast), so the page needs no unsafe-eval;
// its own style element is left out, because pages take styles from our style sheet alone.
"use strict";

const WORDS = { empty: "The chart could not be drawn; its figures are in the table.", late: "Charts are being prepared; reload the page in a minute. The figures are in the table." };
const NARROW = 480; // CSS pixels
const NEAR = 14; // CSS pixels between the pointer and what is told of it

async function draw(place) {
  if (!window.vegaEmbed) {
    place.textContent = WORDS.late;
    return;
  }
  const spec = JSON.parse(place.dataset.spec);
  if (place.clientWidth < NARROW) spec.config.legend.columns = 2; // a legend does not wrap by itself
  try {
    await window.vegaEmbed(place, spec, { actions: false, ast: true, defaultStyle: false, renderer: "canvas", tooltip: teller(place) });
    place.dataset.drawn = "yes";
  } catch (error) {
    console.error(error);
    place.textContent = WORDS.empty;
  }
}

// What the pointer is on, in a box of our own beside it.
function teller(place) {
  const tip = document.createElement("dl");
  tip.className = "chart-tip";
  tip.hidden = true;
  return (_handler, event, _item, value) => {
    tip.hidden = !value || typeof value !== "object";
    if (tip.hidden) return;
    const told = Object.entries(value).filter(([, one]) => one !== null && !["null", "NaN", ""].includes(String(one)));
    tip.replaceChildren(...told.flatMap(([name, one]) => [made("dt", name), made("dd", one)]));
    place.append(tip);
    const at = place.getBoundingClientRect();
    const left = event.clientX - at.left, right = left + NEAR + tip.offsetWidth > place.clientWidth;
    tip.style.left = `${Math.max(0, right ? left - NEAR - tip.offsetWidth : left + NEAR)}px`;
    tip.style.top = `${Math.max(0, event.clientY - at.top - tip.offsetHeight / 2)}px`;
  };
}

function made(kind, text) {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

document.querySelectorAll(".chart[data-spec]").forEach(draw);
