/* What every page of the console does besides htmx: the keyboard, the live dot, ages that count on. No framework. */
(function () {
  "use strict";
  var BEAT_LATE_MS = 10000; // three missed beats of the stream
  var POLL_MS = 5000;
  var words = JSON.parse(document.getElementById("pw-words").textContent);
  var live = document.getElementById("pw-live");
  var bar = document.getElementById("pw-lost");
  var floors = document.getElementById("pw-floors");
  var heard = Date.now(), how = "", skew = floors ? Date.now() - Number(floors.dataset.now) * 1000 : 0, source = null, ended = false;
  var pad = function (n) { return (n < 10 ? "0" : "") + n; };

  function short(seconds) {
    var sizes = [[86400, words.d], [3600, words.h], [60, words.min]];
    for (var i = 0; i < sizes.length; i++) { if (seconds >= sizes[i][0]) { return sizes[i][1].replace("%d", Math.floor(seconds / sizes[i][0])); } }
    return words.s.replace("%d", Math.max(0, seconds));
  }
  function ago(seconds) { return words.ago.replace("%s", short(seconds)); }
  function clock(ms) { var d = new Date(ms); return pad(d.getHours()) + ":" + pad(d.getMinutes()) + ":" + pad(d.getSeconds()); }
  function now() { return Math.floor((Date.now() - skew) / 1000); }
  window.prewatt = { short: short, ago: ago, words: words, now: now, offline: function () { return document.body.classList.contains("pw-off"); } };

  /* ---- the live dot: says by which way we hear, and how long ago we last did */
  function told(by) {
    heard = Date.now(); how = by;
    if (document.body.classList.contains("pw-off")) {
      document.body.classList.remove("pw-off"); bar.hidden = true;
      document.dispatchEvent(new CustomEvent("pw:online"));
    }
    paint();
  }
  function paint() {
    if (!live || ended) { return; }
    var silent = Date.now() - heard, seconds = Math.floor(silent / 1000);
    if (silent > BEAT_LATE_MS) {
      live.className = "pw-live stale"; live.textContent = words.lost.replace("%s", short(seconds));
      bar.querySelector("[data-lost-text]").replaceChildren(strong(words.lost_bar.replace("%s", short(seconds))), (document.documentElement.lang === "en" ? " " : "") + words.lost_more.replace("%s", clock(heard)));
      if (!document.body.classList.contains("pw-off")) {
        document.body.classList.add("pw-off"); bar.hidden = false;
        document.dispatchEvent(new CustomEvent("pw:offline", { detail: { at: clock(heard) } }));
      }
    } else if (how) {
      live.className = "pw-live" + (how === "poll" ? " poll" : "");
      live.textContent = (how === "poll" ? words.polling : words.live) + " · " + ago(seconds);
    }
  }
  function strong(text) { var b = document.createElement("b"); b.className = "strong"; b.textContent = text; return b; }
  function end() {
    ended = true; if (source) { source.close(); }
    live.className = "pw-live stale"; live.textContent = words.ended;
  }
  function listen() {
    if (!live || !live.dataset.stream) { return; }
    if (source) { source.close(); }
    var since = Math.floor(heard / 1000) - 5 - Math.round(skew / 1000); // what was read after this is told at once
    source = new EventSource(live.dataset.stream + (floors ? "&board=1&since=" + since : ""), { withCredentials: true });
    source.addEventListener("beat", function (e) { skew = Date.now() - JSON.parse(e.data).at; told("stream"); });
    source.addEventListener("tiles", function (e) { told("stream"); document.dispatchEvent(new CustomEvent("pw:tiles", { detail: JSON.parse(e.data) })); });
    source.addEventListener("sale", function (e) { told("stream"); document.dispatchEvent(new CustomEvent("pw:sale", { detail: JSON.parse(e.data), bubbles: true })); });
    source.addEventListener("ended", end);
  }
  function poll() { // only while the stream is silent: the page asks the console itself
    if (!live || ended || (source && source.readyState === 1 && Date.now() - heard < BEAT_LATE_MS)) { return; }
    var board = floors && floors.dataset.poll, wanted = board || live.dataset.poll;
    if (!wanted) { return; }
    fetch(wanted, { credentials: "same-origin", redirect: "manual", headers: { "HX-Request": "true" } }).then(function (answer) {
      if (answer.status === 401) { end(); return null; }
      if (!answer.ok) { return null; }
      return answer.text().then(function (text) {
        told("poll");
        if (board) { skew = 0; document.dispatchEvent(new CustomEvent("pw:floors", { detail: text })); }
      });
    }).catch(function () { paint(); });
    if (!source || source.readyState === 2) { listen(); }
  }
  if (live && live.dataset.stream) {
    listen(); setTimeout(function () { if (!how) { poll(); } }, 1500); setInterval(poll, POLL_MS); setInterval(paint, 1000);
    document.querySelector("[data-reconnect]").addEventListener("click", function () { listen(); poll(); });
    window.addEventListener("pagehide", function () { if (source) { source.close(); } });
  }
  setInterval(function () {
    document.querySelectorAll("[data-age]").forEach(function (el) { el.textContent = ago(now() - Number(el.dataset.age)); });
  }, 5000);

  /* ---- refusals come as fragments with their status; a lost answer is said, never swallowed */
  document.addEventListener("htmx:error", function (e) {
    var target = e.detail && e.detail.ctx && e.detail.ctx.target;
    if (target && target.id === "pw-told") { target.textContent = words.failed; }
  });

  /* ---- keyboard: letters only outside inputs */
  var help = document.getElementById("pw-keys"), going = 0;
  document.addEventListener("click", function (e) {
    if (e.target.closest("[data-keys-open]")) { help.showModal(); }
    document.querySelectorAll("details.pw-drop[open]").forEach(function (d) { if (!d.contains(e.target)) { d.open = false; } });
  });
  function press(selector) { var el = document.querySelector(selector); if (el) { el.click(); } return Boolean(el); }
  document.addEventListener("keydown", function (e) {
    var box = e.target.closest && e.target.closest("input, textarea, select, [contenteditable]");
    if (e.key === "Escape") {
      document.querySelectorAll("details.pw-drop[open]").forEach(function (d) { d.open = false; d.querySelector("summary").focus(); });
      if (box && box.id === "pw-find") { box.value = ""; document.getElementById("pw-found").replaceChildren(); box.blur(); }
      return;
    }
    if (box || e.ctrlKey || e.metaKey || e.altKey || help.open) { return; }
    var key = e.key.length === 1 ? e.key.toLowerCase() : e.key, done = false;
    if (going && Date.now() - going < 1500) { going = 0; done = press('.pw-nav a[data-key="' + CSS.escape(key) + '"]'); }
    else if (key === "/") { var find = document.querySelector("[data-find-first]") || document.getElementById("pw-find"); if (find) { find.focus(); find.select(); done = true; } }
    else if (key === "?") { help.showModal(); done = true; }
    else if (key === "g") { going = Date.now(); done = true; }
    else if (key === "p") { if (!press('[data-hotkey="p"]')) { window.print(); } done = true; }
    else if (key === "s") { done = press('[data-hotkey="s"]') || press('.pw-nav a[data-key="s"]'); }
    else if (/^[a-z0-9]$/.test(key)) { done = press('[data-hotkey="' + key + '"]'); }
    if (done) { e.preventDefault(); }
  });
  document.addEventListener("click", function (e) { if (e.target.closest("[data-print]")) { window.print(); } });

  /* ---- copy: the clipboard where the browser gives it, else a selection (a console without TLS on the local net) */
  function copied(button) {
    var word = button.querySelector("[data-copy-word]"), before = word.textContent;
    if (button.dataset.done) { return; }
    button.dataset.done = "1"; word.textContent = button.dataset.copied;
    setTimeout(function () { word.textContent = before; delete button.dataset.done; }, 2000);
  }
  function copyBySelection(text) {
    var area = document.createElement("textarea"), done = false;
    area.value = text; area.className = "pw-skip"; area.readOnly = true;
    document.body.append(area); area.select();
    try { done = document.execCommand("copy"); } finally { area.remove(); }
    return done;
  }
  document.addEventListener("click", function (e) {
    var button = e.target.closest("[data-copy]");
    if (!button) { return; }
    var text = button.dataset.copy;
    function other() { if (copyBySelection(text)) { copied(button); button.focus(); } }
    if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(text).then(function () { copied(button); }, other); }
    else { other(); }
  });

  /* ---- find box: arrows between the answers */
  var find = document.getElementById("pw-find");
  if (find) {
    find.addEventListener("keydown", function (e) {
      var rows = Array.from(document.querySelectorAll("#pw-found li a")), at = rows.findIndex(function (a) { return a.parentNode.classList.contains("on"); });
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault(); if (!rows.length) { return; }
        at = (at + (e.key === "ArrowDown" ? 1 : rows.length - 1)) % rows.length;
        rows.forEach(function (a, i) { a.parentNode.classList.toggle("on", i === at); });
      } else if (e.key === "Enter" && rows.length) { e.preventDefault(); rows[Math.max(0, at)].click(); }
    });
    document.addEventListener("click", function (e) { if (!e.target.closest(".pw-find")) { document.getElementById("pw-found").replaceChildren(); } });
  }
})();
