/* The live board: changed tiles are filled in, filters hide, arrows move. The server wrote every tile first. */
(function () {
  "use strict";
  var floors = document.getElementById("pw-floors"), panel = document.getElementById("pw-panel"), board = document.getElementById("pw-board");
  if (!floors) { return; }
  var marks = JSON.parse(document.getElementById("pw-badges").textContent), p = window.prewatt;
  var filter = "", building = "";
  var all = function () { return Array.from(floors.querySelectorAll(".pw-tile")); };

  /* ---- values */
  function badge(name) {
    var el = document.createElement("span"); el.className = "pw-badge " + marks[name][0]; el.textContent = marks[name][1]; el.title = marks[name][2]; return el;
  }
  function fill(t) {
    var el = document.getElementById("c" + t.id); if (!el) { return; }
    var rows = el.children, age = rows[0].children[1], lost = t.c === "lost";
    el.className = "pw-tile t-" + t.c + (el.classList.contains("sel") ? " sel" : "") + (el.classList.contains("hit") ? " hit" : "");
    el.dataset.s = t.c; el.dataset.b = t.b.join(" "); rows[3].textContent = t.n;
    age.dataset.at = t.at; age.className = lost ? "age" : "q";
    rows[1].children[0].textContent = t.v; rows[1].children[1].replaceChildren.apply(rows[1].children[1], t.b.map(badge));
    rows[2].children[0].textContent = t.p; rows[2].children[0].className = lost ? "w" : t.pw ? "" : "q";
    rows[2].children[1].textContent = t.e; rows[2].children[1].className = t.ew ? "strong" : "q";
    tell(age, p.now());
  }
  function tell(el, now) {
    var at = Number(el.dataset.at); if (!at) { return; }
    el.textContent = el.className === "age" ? p.ago(now - at) : p.short(now - at);
  }
  function ages() { var now = p.now(); floors.querySelectorAll("[data-at]").forEach(function (el) { tell(el, now); }); }
  setInterval(ages, 5000);

  function count() {
    var found = { "": 0 };
    all().forEach(function (el) {
      found[""]++; [["s:" + el.dataset.s]].concat(el.dataset.b ? el.dataset.b.split(" ").map(function (b) { return ["b:" + b]; }) : []).forEach(function (k) { found[k] = (found[k] || 0) + 1; });
    });
    document.querySelectorAll("[data-count]").forEach(function (el) {
      var n = found[el.dataset.count] || 0; el.textContent = n;
      var chip = el.closest(".pw-chip"); if (el.dataset.count.startsWith("b:") && chip.dataset.filter !== filter) { chip.hidden = !n; }
    });
  }
  document.addEventListener("pw:tiles", function (e) { e.detail.tiles.forEach(fill); count(); show(); refresh(e.detail.tiles); });
  document.addEventListener("pw:floors", function (e) {
    var chosen = floors.querySelector(".sel"), id = chosen && chosen.id, held = document.activeElement && document.activeElement.id;
    var doc = new DOMParser().parseFromString(e.detail, "text/html"); // no script of it would run, and there is none
    floors.replaceChildren.apply(floors, Array.from(doc.body.childNodes));
    if (id && document.getElementById(id)) { document.getElementById(id).classList.add("sel"); }
    if (held && /^c\d+$/.test(held)) { var again = document.getElementById(held); if (again) { again.focus({ preventScroll: true }); } }
    rove(); count(); show();
  });
  var stale = document.getElementById("pw-legend"), legend = stale.textContent;
  document.addEventListener("pw:offline", function (e) { board.classList.add("pw-stale-board"); stale.textContent = p.words.stale_colour.replace("%s", e.detail.at); ages(); });
  document.addEventListener("pw:online", function () { board.classList.remove("pw-stale-board"); stale.textContent = legend; });

  /* ---- filters */
  function hits(el) {
    if (building && el.closest(".pw-wing").dataset.building !== building) { return false; }
    if (!filter) { return true; }
    return filter[0] === "s" ? "s:" + el.dataset.s === filter : (" " + el.dataset.b + " ").includes(" " + filter.slice(2) + " ");
  }
  function show() {
    var none = document.getElementById("pw-none");
    if (!filter && !building) { delete floors.dataset.only; none.hidden = true; return; }
    var any = false;
    all().forEach(function (el) { var hit = hits(el); any = any || hit; el.classList.toggle("hit", hit); });
    floors.dataset.only = ""; none.hidden = any;
    if (!any) {
      var chip = document.querySelector('.pw-chip[data-filter="' + filter + '"]');
      none.querySelector("[data-none]").replaceChildren(chip ? chip.firstElementChild.cloneNode(true) : "");
    }
  }
  function choose(name) {
    filter = name === filter ? "" : name;
    document.querySelectorAll(".pw-chip[data-filter]").forEach(function (chip) {
      var on = chip.dataset.filter === filter; chip.classList.toggle("on", on); chip.setAttribute("aria-pressed", on);
    });
    show();
  }
  document.addEventListener("click", function (e) {
    var chip = e.target.closest(".pw-chip[data-filter]"), place = e.target.closest("button[data-building]"), tile = e.target.closest(".pw-tile");
    if (chip) { choose(chip.dataset.filter); }
    else if (place) {
      building = place.dataset.building; document.getElementById("pw-building").textContent = place.textContent;
      document.querySelectorAll("button[data-building]").forEach(function (b) { b.toggleAttribute("aria-current", false); });
      place.setAttribute("aria-current", "true"); place.closest("details").open = false; show();
    }
    else if (e.target.closest("[data-clear]")) { clear(); }
    else if (e.target.closest("[data-close]")) { e.preventDefault(); close(); }
    else if (tile && !e.ctrlKey && !e.metaKey && !e.shiftKey) { e.preventDefault(); open(tile); }
  });
  function clear() {
    var all_chip = document.querySelector('button[data-building=""]'); if (building && all_chip) { all_chip.click(); }
    filter = "*"; choose(""); filter = ""; show();
  }

  /* ---- side panel */
  var asked = 0, fetched = 0;
  function load(id) {
    var mine = ++asked; fetched = Date.now();
    return fetch("/console/live/circuits/" + id, { credentials: "same-origin", headers: { "HX-Request": "true" } }).then(function (answer) {
      if (!answer.ok) { return; }
      return answer.text().then(function (text) {
        if (mine !== asked) { return; } // a later tile was chosen meanwhile
        var doc = new DOMParser().parseFromString(text, "text/html");
        var before = panel.querySelector("[data-circuit]"), told = before && before.dataset.circuit === String(id) ? panel.querySelector("#pw-told") : null;
        panel.replaceChildren.apply(panel, Array.from(doc.body.childNodes));
        if (told && panel.querySelector("#pw-told")) { panel.querySelector("#pw-told").replaceWith(told); } // what an act had to say stays, and goes on
        panel.hidden = false; board.classList.remove("alone");
        if (window.htmx) { window.htmx.process(panel); }
      });
    }).catch(function () { return; });
  }
  function open(tile) {
    floors.querySelectorAll(".sel").forEach(function (el) { el.classList.remove("sel"); });
    tile.classList.add("sel"); tile.focus({ preventScroll: true });
    history.replaceState(null, "", "?circuit=" + tile.id.slice(1));
    load(tile.id.slice(1)).then(function () { tile.scrollIntoView({ block: "nearest" }); });
  }
  function close() {
    var tile = floors.querySelector(".sel"); asked++; panel.hidden = true; panel.replaceChildren(); board.classList.add("alone");
    if (tile) { tile.classList.remove("sel"); tile.focus({ preventScroll: true }); }
    history.replaceState(null, "", location.pathname);
  }
  function refresh(tiles) { // the panel follows its circuit, but not while somebody works in it
    var open_id = panel.querySelector("[data-circuit]");
    if (!open_id || panel.hidden || panel.contains(document.activeElement) || Date.now() - fetched < 1000) { return; }
    if (tiles.some(function (t) { return String(t.id) === open_id.dataset.circuit; })) { load(open_id.dataset.circuit); }
  }

  /* ---- arrows: left and right in reading order, up and down to the nearest tile of the next line */
  function rove() { // one tile in the tab order: 2,000 tab stops would be a wall
    var first = floors.querySelector(".sel") || floors.querySelector(".pw-tile");
    all().forEach(function (el) { el.tabIndex = el === first ? 0 : -1; });
  }
  function step(from, key) {
    var seen = all().filter(function (el) { return !("only" in floors.dataset) || el.classList.contains("hit"); }), at = seen.indexOf(from);
    if (key === "ArrowLeft") { return seen[at - 1]; }
    if (key === "ArrowRight") { return seen[at + 1]; }
    var box = from.getBoundingClientRect(), down = key === "ArrowDown", best = null, far = Infinity;
    seen.forEach(function (el) {
      var b = el.getBoundingClientRect(), dy = down ? b.top - box.top : box.top - b.top;
      if (dy < 8) { return; }
      var cost = dy * 10 + Math.abs(b.left - box.left); if (cost < far) { far = cost; best = el; }
    });
    return best;
  }
  document.addEventListener("keydown", function (e) {
    if (e.target.closest("input, textarea, select, dialog")) { return; }
    if (e.key === "Escape") { if (!panel.hidden) { close(); } else if (filter || building) { clear(); } return; }
    if (e.key.startsWith("Arrow") && !e.ctrlKey && !e.metaKey && !e.altKey && !panel.contains(e.target)) {
      var from = e.target.closest(".pw-tile") || floors.querySelector(".sel") || floors.querySelector(".pw-tile"); if (!from) { return; }
      var to = e.target.closest(".pw-tile") || floors.querySelector(".sel") ? step(from, e.key) : from;
      if (to) { e.preventDefault(); to.tabIndex = 0; if (panel.hidden) { to.focus(); } else { open(to); } }
    }
    if (e.key === "Enter" && e.target.closest(".pw-tile.sel") && !panel.hidden) {
      var link = panel.querySelector('[data-hotkey="Enter"]'); if (link) { e.preventDefault(); link.click(); }
    }
  });
  floors.addEventListener("focusin", function (e) {
    if (e.target.classList.contains("pw-tile")) { floors.querySelectorAll('.pw-tile[tabindex="0"]').forEach(function (el) { if (el !== e.target) { el.tabIndex = -1; } }); }
  });
  var told = panel.querySelector("[data-circuit]"), chosen = told && document.getElementById("c" + told.dataset.circuit);
  if (chosen) { chosen.classList.add("sel"); chosen.scrollIntoView({ block: "nearest" }); }
  rove();
})();
