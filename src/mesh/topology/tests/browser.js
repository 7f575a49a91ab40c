(function () {
  var faults = [];
  function check(holds, fault) { if (!holds && faults.indexOf(fault) < 0) faults.push(fault); }
  function all(selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); }
  function isShown(element) { var box = element.getBoundingClientRect(); return box.width > 0 && box.height > 0; }
  // A pixel of one over the other isn't seen.
  function meet(a, b) { return a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1; }

  var root = document.documentElement;
  check(root.scrollWidth <= innerWidth, "the page is " + root.scrollWidth + " wide in a window of " + innerWidth);
  check(getComputedStyle(document.body).backgroundColor === expected.background, "it isn't the theme that was asked for");

  // What is told is all there, as text.
  var rows = all(".matrix tbody tr"), hosts = all(".searched tbody tr");
  check(rows.length === expected.clusters, "the matrix has " + rows.length + " rows");
  check(rows.every(function (row) { return row.cells.length === expected.clusters + 1 && isShown(row); }), "a row of the matrix isn't whole");
  check(all(".matrix thead th").length === expected.clusters + 1, "the matrix has other columns than rows");
  check(all("article").filter(isShown).length === expected.clusters, "a card is missing");
  check(hosts.filter(isShown).length === expected.hosts.length, "a host isn't shown");
  check(hosts.every(function (row, index) { return row.cells[0].textContent === expected.hosts[index]; }), "a host has another name");
  check(all(".problems li").filter(isShown).length === Math.min(expected.problems, 100), "a problem isn't shown");
  check((document.querySelector("svg") !== null) === expected.hasMap, "there is a map, or none");
  check(document.images.length === 0 && document.scripts.length === (expected.hasScript ? 2 : 1), "a name has become an element");
  check(all("[onerror],[onclick],[onload]").length === 0, "a name has become a handler");

  // A table that is wider than its place can be scrolled; the matrix needn't be, in a window of usual width.
  if (innerWidth >= 1280) all(".scroll").forEach(function (place) {
    check(place.scrollWidth <= place.clientWidth, "a table is " + place.scrollWidth + " wide in a place of " + place.clientWidth);
  });
  // The names of columns and rows are read without covering each other, and a number stays in its cell.
  var names = all(".matrix thead span").map(function (name) { return name.getBoundingClientRect(); });
  check(names.every(function (name, index) { return !index || !meet(names[index - 1], name); }), "names of columns cover each other");
  check(all(".matrix td").every(function (cell) { return cell.scrollWidth <= cell.clientWidth + 1; }), "a number is wider than its cell");
  check(all("article").every(function (card) { return card.scrollWidth <= card.clientWidth; }), "a card's text leaves it");

  // On the map, boxes and numbers keep apart, and a box holds its names.
  var nodes = all("svg .node"), boxes = nodes.map(function (node) { return node.querySelector("rect").getBoundingClientRect(); });
  nodes.forEach(function (node, index) {
    Array.prototype.forEach.call(node.querySelectorAll("text"), function (text) {
      var name = text.getBoundingClientRect(), box = boxes[index];
      check(name.left >= box.left && name.right <= box.right, "a name leaves its box: " + text.textContent);
    });
    for (var other = 0; other < index; other++) check(!meet(boxes[index], boxes[other]), "boxes of the map cover each other");
  });
  var labels = all("svg .calls text").map(function (text) { return text.getBoundingClientRect(); });
  labels.forEach(function (label, index) {
    check(!boxes.some(function (box) { return meet(label, box); }), "a number is behind a box");
    for (var other = 0; other < index; other++) check(!meet(label, labels[other]), "numbers of the map cover each other");
  });

  // Text stands out from what is behind it: 4.5 to 1, as WCAG asks for.
  function parts(color) { return color.match(/[\d.]+/g).map(Number); }
  function luminance(color) {
    var linear = color.slice(0, 3).map(function (value) { value /= 255; return value <= 0.04045 ? value / 12.92 : Math.pow((value + 0.055) / 1.055, 2.4); });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  }
  function behind(element) {
    for (; element; element = element.parentElement) {
      var color = parts(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  }
  all("body *").forEach(function (element) {
    var hasText = Array.prototype.some.call(element.childNodes, function (node) { return node.nodeType === 3 && node.textContent.trim(); });
    if (!hasText || !isShown(element)) return;
    var inMap = element.closest("svg"), style = getComputedStyle(element);
    var one = luminance(parts(inMap ? style.fill : style.color)), other = luminance(behind(element));
    var ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    check(ratio >= 4.5, element.tagName + "." + (element.getAttribute("class") || "") + " has a contrast of " + ratio.toFixed(1));
  });

  // The search hides rows; without scripts there is none.
  var field = document.querySelector("input");
  check((field !== null) === expected.hasScript, "there is a search, or none");
  if (field && hosts.length) {
    field.value = expected.hosts[0];
    field.dispatchEvent(new Event("input"));
    var found = hosts.filter(isShown);
    check(found.length === 1 && found[0] === hosts[0], "the search shows " + found.length + " rows");
  }
  document.title = faults.length ? faults.slice(0, 6).join("; ").replace(/</g, "(") : "no fault";
})();
