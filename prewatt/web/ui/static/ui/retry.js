/* The page of a fault that passes: ask for the same address until it answers, then show it. */
(function () {
  "use strict";
  var EVERY_MS = 5000;
  setInterval(function () {
    fetch(location.href, { method: "HEAD", credentials: "same-origin", redirect: "manual" }).then(function (answer) {
      if (answer.ok || answer.type === "opaqueredirect") { location.reload(); }
    }).catch(function () { return; });
  }, EVERY_MS);
})();
