/* The sell page: typeahead, quote, Enter. The form works without this; here it only becomes faster and safer. */
(function () {
  "use strict";
  var form = document.getElementById("sell");
  if (!form) { return; }
  var $ = function (id) { return document.getElementById(id); };
  var find = $("sell-find"), box = $("sell-find-box"), amount = $("sell-amount"), circuit = $("sell-circuit"), given = $("sell-given");
  var FIND_MS = 120, QUOTE_MS = 120, ASK_MS = 2000, KEPT = "pw-sell-key";
  var key = form.elements.request_key.value, busy = false, asking = false, turn = { find: 0, who: 0, quote: 0 }, timers = {}, entered = false;

  /* ---- fetching a part of the page; a later answer of the same kind makes an earlier one void */
  function part(kind, address, then) {
    var mine = ++turn[kind];
    return fetch(address, { credentials: "same-origin", headers: { "HX-Request": "true" } }).then(function (answer) {
      if (answer.status === 401) { location.assign("/console/login?next=/console/sell"); return null; }
      return answer.ok ? answer.text() : null;
    }).then(function (text) { if (text !== null && mine === turn[kind]) { then(text); } }).catch(function () { return; });
  }
  function swap(text) { // each element of the answer replaces the one of its id
    var doc = new DOMParser().parseFromString(text, "text/html");
    Array.from(doc.body.children).forEach(function (el) { var old = el.id && $(el.id); if (old) { old.replaceWith(document.importNode(el, true)); } });
    paint();
  }
  function later(kind, ms, work) { clearTimeout(timers[kind]); timers[kind] = setTimeout(work, ms); }

  /* ---- move 1 */
  function lines() { return Array.from(document.querySelectorAll("#sell-found a[data-circuit]")); }
  function list() { return document.querySelector("#sell-found .pw-pick"); }
  function clear_list() { turn.find++; clearTimeout(timers.find); $("sell-found").replaceChildren(); find.setAttribute("aria-expanded", "false"); }
  function look(then) {
    var text = find.value.trim();
    if (!text) { clear_list(); return Promise.resolve(); }
    return part("find", "/console/sell/find?find=" + encodeURIComponent(text), function (answer) {
      var doc = new DOMParser().parseFromString(answer, "text/html");
      $("sell-found").replaceChildren.apply($("sell-found"), Array.from(doc.body.childNodes));
      find.setAttribute("aria-expanded", "true"); if (then) { then(); }
    });
  }
  function fresh() { var l = list(); return l && l.dataset.text === find.value.trim(); }
  function first() { var on = document.querySelector("#sell-found li.on a[data-circuit]"); if (on) { take(on.dataset.circuit, document.activeElement !== amount); } else { find.focus(); } }
  function take(id, onwards) {
    circuit.value = id; clear_list();
    part("who", "/console/sell/circuits/" + encodeURIComponent(id), function (text) { box.classList.add("sell-folded"); swap(text); quote(0); });
    if (onwards) { amount.focus(); amount.select(); }
  }
  function other() {
    circuit.value = ""; turn.who++; turn.quote++; box.classList.remove("sell-folded");
    $("sell-who").replaceChildren(); $("sell-meter").hidden = true; var q = $("sell-quote"); q.replaceChildren(); q.dataset.kind = ""; q.dataset.sum = "";
    find.focus(); find.select(); paint();
  }
  find.addEventListener("input", function () {
    circuit.value = "";
    later("find", FIND_MS, function () { look(); });
    if (amount.value) { quote(QUOTE_MS * 2); }
  });
  find.addEventListener("change", function () { // he went on without picking: what he typed may be enough
    if (circuit.value || !find.value.trim()) { return; }
    var settle = function () { var l = list(); if (!circuit.value && l && l.dataset.exact) { take(l.dataset.exact, false); } };
    if (fresh()) { settle(); } else if (!entered) { clearTimeout(timers.find); look(settle); }
    entered = false;
  });
  find.addEventListener("keydown", function (e) {
    var rows = lines(), at = rows.findIndex(function (a) { return a.parentNode.classList.contains("on"); });
    if ((e.key === "ArrowDown" || e.key === "ArrowUp") && rows.length) {
      e.preventDefault(); at = (at + (e.key === "ArrowDown" ? 1 : rows.length - 1)) % rows.length;
      rows.forEach(function (a, i) { a.parentNode.classList.toggle("on", i === at); a.parentNode.setAttribute("aria-selected", String(i === at)); });
      find.setAttribute("aria-activedescendant", rows[at].parentNode.id);
    } else if (e.key === "Enter" && !e.isComposing) {
      e.preventDefault(); if (!find.value.trim()) { return; }
      // the next key belongs to the amount, whether or not the answer is here yet
      if (fresh()) { first(); } else { clearTimeout(timers.find); entered = true; amount.focus(); amount.select(); look(first); }
    }
  });
  document.addEventListener("click", function (e) {
    var line = e.target.closest("#sell-found a[data-circuit]"), chip = e.target.closest("[data-amount]");
    if (line) { e.preventDefault(); take(line.dataset.circuit, true); }
    if (e.target.closest("[data-other]")) { e.preventDefault(); other(); }
    if (chip) { amount.value = chip.dataset.amount; amount.focus(); quote(0); paint(); }
  });
  document.addEventListener("keydown", function (e) {
    if (e.key !== "Escape" || document.querySelector("dialog[open]") || (e.target.closest && e.target.closest(".pw-topbar"))) { return; }
    if (list()) { clear_list(); } else if (circuit.value) { other(); } else if (find.value) { find.value = ""; find.focus(); }
  });

  /* ---- move 2 */
  function quote(ms) {
    turn.quote++;
    later("quote", ms, function () {
      if (!amount.value.trim() && !circuit.value) { return; }
      var asked = new URLSearchParams({ circuit: circuit.value, find: find.value, amount: amount.value });
      part("quote", "/console/sell/quote?" + asked, swap);
    });
  }
  amount.addEventListener("input", function () { quote(QUOTE_MS); paint(); });
  amount.addEventListener("keydown", function (e) {
    if (e.key !== "Enter" || e.isComposing) { return; }
    e.preventDefault();
    if (!circuit.value && !find.value.trim()) { find.focus(); return; }
    form.requestSubmit($("sell-submit"));
  });

  /* ---- move 3 */
  function plain(text) { return /^\d+(\.\d{1,2})?$/.test(text.trim()) ? Math.round(Number(text.trim()) * 100) : null; }
  function paint() {
    var q = $("sell-quote"), sum = q.dataset.sum, button = $("sell-submit"), off = document.body.classList.contains("pw-off");
    $("sell-one").className = "pw-move " + (circuit.value ? "done" : "now");
    $("sell-two").className = "pw-move " + (sum ? "done" : circuit.value ? "now" : "");
    $("sell-three").className = "pw-move " + (sum ? "now" : "");
    $("sell-amount-box").className = "pw-amount mt-1 mb-2" + (off ? " off" : q.dataset.kind === "refused" ? " bad" : "");
    button.disabled = busy || off;
    button.firstElementChild.textContent = off ? form.dataset.wordsWait : busy ? form.dataset.wordsBusy : sum ? form.dataset.wordsSum.replace("%s", sum) : form.dataset.wordsPlain;
    document.querySelectorAll("#sell-chips [data-amount]").forEach(function (el) { el.classList.toggle("on", el.dataset.amount === amount.value.trim()); });
    var got = plain(given.value), due = Number(q.dataset.minor) || null, back = got !== null && due !== null ? got - due : null;
    $("sell-change").textContent = back === null ? "—" : (back < 0 ? "−" : "") + "¥" + (Math.abs(back) / 100).toFixed(2);
  }
  given.addEventListener("input", paint);
  document.addEventListener("keydown", function (e) { // inside the amount a plain digit belongs to the amount
    var which = e.altKey && !e.ctrlKey && !e.metaKey && /^Digit([1-4])$/.exec(e.code), label = which && document.querySelector('.pw-tender[data-hotkey="' + which[1] + '"]');
    if (label) { e.preventDefault(); label.querySelector("input").click(); }
  });
  given.addEventListener("keydown", function (e) { if (e.key === "Enter") { e.preventDefault(); form.requestSubmit($("sell-submit")); } });

  /* ---- the sale: sent once; when the answer is lost, asked for by its key until the server knows */
  form.addEventListener("submit", function (e) {
    e.preventDefault();
    if (busy || document.body.classList.contains("pw-off")) { return; }
    busy = true; keep(key); paint();
    fetch(form.action, { method: "POST", body: new FormData(form), credentials: "same-origin", headers: { "HX-Request": "true" } }).then(function (answer) {
      if (answer.status === 201) { return answer.json().then(function (sold) { done(sold.url); }); }
      if (answer.status === 401) { location.assign("/console/login?next=/console/sell"); return null; }
      if (answer.status === 422) { return answer.text().then(refused); }
      if (answer.status === 403) { return answer.text().then(function (text) { refused('<div id="sell-quote" data-kind="refused" data-sum="" data-minor="">' + text + "</div>"); }); }
      return lost();
    }).catch(lost);
  });
  function refused(text) { busy = false; forget(); turn.quote++; swap(text); var l = list(); if (l) { find.focus(); } else { amount.focus(); } }
  function done(url) { forget(); location.assign(url); }
  function lost() { if (!asking) { asking = true; say("asking"); ask(0); } }
  function ask(missing) {
    fetch("/console/sell/asked?key=" + encodeURIComponent(key), { credentials: "same-origin", headers: { "HX-Request": "true" } }).then(function (answer) {
      if (answer.ok) { return answer.json().then(function (sold) { done(sold.url); }); }
      // twice "the books hold none", some seconds apart: then it was never made, and pressing again is safe
      if (answer.status === 404 && missing) { asking = busy = false; forget(); say("none"); return null; }
      setTimeout(function () { ask(answer.status === 404 ? missing + 1 : missing); }, ASK_MS); return null;
    }).catch(function () { setTimeout(function () { ask(0); }, ASK_MS); });
  }
  function say(what) {
    var q = $("sell-quote"); q.dataset.kind = what; q.dataset.sum = ""; turn.quote++;
    q.replaceChildren(document.getElementById("sell-said-" + what).content.cloneNode(true)); paint();
  }
  function keep(value) { try { sessionStorage.setItem(KEPT, value); } catch (error) { return; } }
  function forget() { try { sessionStorage.removeItem(KEPT); } catch (error) { return; } }

  document.addEventListener("pw:offline", paint);
  document.addEventListener("pw:online", function () { paint(); if (!asking) { quote(0); } });
  document.addEventListener("pw:sale", function () { // the list of today follows
    fetch(location.pathname, { credentials: "same-origin" }).then(function (answer) { return answer.ok ? answer.text() : ""; }).then(function (text) {
      var news = new DOMParser().parseFromString(text, "text/html").getElementById("sell-today");
      if (news) { $("sell-today").replaceWith(document.importNode(news, true)); }
    }).catch(function () { return; });
  });
  window.addEventListener("pageshow", function (e) { if (e.persisted) { location.reload(); } }); // an old form has an old key
  try { // a page that was loaded again while its sale was on the way asks first
    var left = sessionStorage.getItem(KEPT);
    if (left && left !== key) { key = left; busy = true; lost(); }
  } catch (error) { paint(); }
  paint();
})();
