// Draws the charts of a page. Vega's expressions are interpreted (ast), so the page needs no unsafe-eval;
// its own style element is left out, because pages take styles from our style sheet alone.
"use strict";

const WORDS = { empty: "The chart could not be drawn; its figures are in the table.", late: "Charts are being prepared; reload the page in a minute." };

async function draw(place) {
  if (!window.vegaEmbed) {
    say(place, WORDS.late);
    return;
  }
  const spec = JSON.parse(place.dataset.spec);
  try {
    await window.vegaEmbed(place, spec, { actions: false, ast: true, defaultStyle: false, renderer: "canvas", tooltip: titled });
    place.dataset.drawn = "yes";
  } catch (error) {
    console.error(error);
    say(place, WORDS.empty);
  }
}

// A tooltip without a style element: the browser's own.
function titled(_handler, event, _item, value) {
  const target = event.target;
  if (!target || !target.setAttribute) return;
  const words = value && typeof value === "object" ? Object.entries(value).map(([name, one]) => `${name}: ${one}`).join("\n") : value || "";
  target.setAttribute("title", words);
}

function say(place, words) {
  place.textContent = words;
}

document.querySelectorAll(".chart[data-spec]").forEach(draw);
