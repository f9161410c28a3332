// Says beside a slider where it stands while it is moved; the form works without it.
"use strict";

document.querySelectorAll("input[type=range]").forEach((slider) => {
  const told = document.querySelector(`output[for="${slider.id}"]`);
  const written = new Intl.NumberFormat(document.documentElement.lang || undefined, { style: "percent" });
  slider.addEventListener("input", () => { if (told) told.textContent = written.format(slider.value); });
});
