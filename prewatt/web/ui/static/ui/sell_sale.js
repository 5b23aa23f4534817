/* The sale page follows its delivery: the stream tells when something changed, and each second the page asks itself. */
(function () {
  "use strict";
  var root = document.getElementById("sale"), EVERY_MS = 1000, asking = false, again = false;
  if (!root) { return; }
  function open() { // the delivery, or the token that the line enters after it
    var steps = document.getElementById("sale-steps");
    return (steps && steps.dataset.open === "1") || document.querySelector("#sale-wire [data-open='1']");
  }
  function ask() {
    if (asking) { again = true; return; }
    asking = true;
    fetch(root.dataset.live, { credentials: "same-origin", headers: { "HX-Request": "true" } }).then(function (answer) {
      if (answer.status === 401) { location.assign("/console/login?next=" + encodeURIComponent(location.pathname)); }
      return answer.ok ? answer.text() : "";
    }).then(function (text) { if (text) { fill(text); } }).catch(function () { return; }).then(function () {
      asking = false; if (again) { again = false; ask(); }
    });
  }
  function fill(text) { // only what differs is replaced, and nothing somebody has the focus in
    var doc = new DOMParser().parseFromString(text, "text/html");
    doc.querySelectorAll("[id^='sale-'], #sell-today").forEach(function (el) {
      var old = document.getElementById(el.id);
      if (el.id === "sale-heading-next") { document.getElementById("sale-heading").textContent = el.textContent; return; }
      if (!old || plain(old) === plain(el) || old.contains(document.activeElement)) { return; }
      var fresh = document.importNode(el, true); old.replaceWith(fresh);
      if (window.htmx) { window.htmx.process(fresh); }
    });
  }
  function plain(el) { // the token of a form is another one each time
    return el.outerHTML.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
  }
  document.addEventListener("pw:sale", function (e) { if (!e.detail || String(e.detail.sale) === root.dataset.sale || !open()) { ask(); } });
  document.addEventListener("pw:online", ask);
  setInterval(function () { if (open() && !document.hidden) { ask(); } }, EVERY_MS);
  document.addEventListener("visibilitychange", function () { if (!document.hidden) { ask(); } });
})();
