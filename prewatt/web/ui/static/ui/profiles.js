/* Meter models: choose all meters of a list, say on which line the caret stands, and go to a line that was refused. */
(function () {
  "use strict";
  document.addEventListener("change", function (e) {
    var name = e.target.dataset.all;
    if (!name) { return; }
    e.target.form.querySelectorAll('input[name="' + name + '"]').forEach(function (each) { each.checked = e.target.checked; });
  });
  var area = document.getElementById("f-text");
  if (!area) { return; }
  var said = document.querySelector("[data-caret]");
  var tell = function () {
    if (said) { said.textContent = area.value.slice(0, area.selectionStart).split("\n").length; }
  };
  var go = function (line) {
    var lines = area.value.split("\n");
    var start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1] || "").length);
    area.scrollTop = Math.max(0, (line - 6) * parseFloat(getComputedStyle(area).lineHeight));
    tell();
  };
  ["keyup", "click", "focus"].forEach(function (name) { area.addEventListener(name, tell); });
  document.addEventListener("click", function (e) {
    var link = e.target.closest("[data-line]");
    if (link) { e.preventDefault(); go(Number(link.dataset.line)); }
  });
  if (area.dataset.wrong) { go(Number(area.dataset.wrong)); }
})();
