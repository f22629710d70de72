"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = id => document.getElementById(id);
  const film = at("film"), screen = at("screen"), still = at("still"), slider = at("slider"), cursor = at("cursor");
  const length = Math.max(data.end - data.start, 1e-6);
  const share = t => Math.min(Math.max((t - data.start) / length, 0), 1);
  const clock = t => t < 60 ? t.toFixed(1) + " s" : Math.floor(t / 60) + ":" + (t % 60).toFixed(1).padStart(4, "0");
  let shown = -1;
  const nearest = t => {
    let best = 0;
    data.moments.forEach((moment, n) => { if (Math.abs(moment.t - t) < Math.abs(data.moments[best].t - t)) best = n; });
    return best;
  };
  const show = t => {
    slider.value = share(t);
    at("clock").textContent = clock(t);
    const lane = document.querySelector(".lane > div");
    cursor.style.left = lane.offsetLeft + share(t) * lane.offsetWidth + "px";
    if (!data.moments.length) return;
    const n = nearest(t);
    if (n === shown) return;
    shown = n;
    const moment = data.moments[n];
    still.src = moment.name + ".jpg";
    document.querySelectorAll(".sheet i").forEach((sheet, k) => {
      sheet.style.backgroundImage = `url(${moment.name}b.jpg)`;
      sheet.style.backgroundPosition = `0 ${k * 100 / 3}%`;
    });
    for (const [key, text] of Object.entries(moment.says)) if (at("now-" + key)) at("now-" + key).textContent = text;
  };
  const seek = t => {
    if (film) { film.pause(); film.currentTime = Math.max(0, t - data.start); }
    show(t);
  };
  slider.addEventListener("input", () => seek(data.start + slider.value * length));
  const lanes = at("time");
  const pointed = event => {
    const lane = document.querySelector(".lane > div").getBoundingClientRect();
    return data.start + Math.min(Math.max((event.clientX - lane.left) / lane.width, 0), 1) * length;
  };
  lanes.addEventListener("pointerdown", event => { if (!event.target.closest("a")) seek(pointed(event)); });
  lanes.addEventListener("pointermove", event => { if (event.buttons === 1 && !event.target.closest("a")) seek(pointed(event)); });
  document.querySelectorAll("[data-t]").forEach(each => each.addEventListener("click", event => {
    if (each.tagName === "A" && !each.hash) event.preventDefault();
    seek(Number(each.dataset.t));
    if (each.classList.contains("card")) at("stage").scrollIntoView({ block: "start" });
  }));
  const button = at("play");
  if (film) {
    const follow = () => { show(data.start + film.currentTime); if (!film.paused) requestAnimationFrame(follow); };
    film.addEventListener("play", () => { button.textContent = "❚❚"; follow(); });
    film.addEventListener("pause", () => { button.textContent = "►"; });
    film.addEventListener("seeked", () => show(data.start + film.currentTime));
    film.addEventListener("error", () => { screen.classList.remove("play"); film.remove(); }, true);
    button.addEventListener("click", () => film.paused ? film.play() : film.pause());
  } else {
    let timer = 0;
    button.addEventListener("click", () => {
      if (timer) { clearInterval(timer); timer = 0; button.textContent = "►"; return; }
      button.textContent = "❚❚";
      timer = setInterval(() => seek(data.moments[(nearest(data.start + slider.value * length) + 1) % data.moments.length].t), 250);
    });
  }
  addEventListener("resize", () => show(data.start + slider.value * length));
  const from = new URLSearchParams(location.search).get("t");
  seek(from === null ? data.opening : Number(from));
})();
