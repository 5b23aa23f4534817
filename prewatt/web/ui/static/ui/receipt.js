/* This print was counted: open the print dialogue once. Loading the page again prints nothing. */
(function () {
  "use strict";
  var address = new URL(location.href);
  if (!address.searchParams.get("print")) { return; }
  window.addEventListener("load", function () {
    address.searchParams.delete("print");
    window.addEventListener("afterprint", function () { history.replaceState(null, "", address); }, { once: true });
    window.print();
  });
})();
