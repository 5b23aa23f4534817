/* Lists: a choice in a filter is carried out at once. Without this script its button does the same. */
(function () {
  "use strict";
  document.addEventListener("change", function (e) {
    if (e.target.matches("[data-submit]")) { e.target.form.requestSubmit(); }
  });
})();
