/* Times of use: of rows that are empty the first one shows, a row is emptied at once, a day table is filled like another.
   Without this script every row there can be shows. */
(function () {
  "use strict";
  var fields = function (row) { return Array.from(row.querySelectorAll("input, select[name]")); };
  var used = function (row) { return fields(row).some(function (each) { return each.value; }); };
  var show = function () {
    document.querySelectorAll("[data-rows]").forEach(function (group) {
      var rows = Array.from(group.children).filter(function (each) { return each.matches("[data-row]"); });
      var last = -1;
      rows.forEach(function (row, at) {
        if (used(row) || row.contains(document.activeElement)) { last = at; }
      });
      rows.forEach(function (row, at) { row.hidden = at > last + 1; });
    });
  };
  document.addEventListener("change", function (e) {
    if (e.target.matches("[data-like]") && e.target.value) {
      var from = e.target.value, to = e.target.closest("[data-table]").dataset.table;
      fields(e.target.closest("[data-table]")).forEach(function (each) {
        var like = document.getElementsByName(each.name.replace("_" + to + "_", "_" + from + "_"))[0];
        each.value = like ? like.value : "";
      });
      e.target.value = "";
    }
    show();
  });
  document.addEventListener("click", function (e) {
    var button = e.target.closest("[data-clear]");
    if (!button) { return; }
    var row = button.closest("[data-row]");
    fields(row).forEach(function (each) { each.value = ""; });
    fields(row)[0].focus();
    show();
  });
  document.querySelectorAll("[data-like], [data-clear]").forEach(function (each) { each.hidden = false; });
  show();
})();
