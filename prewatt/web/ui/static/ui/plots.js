/* Our ECharts plots. Data comes from <script type="application/json">, which a CSP of
   script-src 'self' permits; colours come from the tokens in prewatt.css, so that one file decides them. */
(function () {
  "use strict";
  var css = getComputedStyle(document.documentElement);
  var token = function (name) { return css.getPropertyValue("--pw-" + name).trim(); };
  var font = { fontFamily: css.getPropertyValue("--tblr-font-sans-serif"), fontSize: 12, color: token("ink-2") };
  var line = { lineStyle: { color: token("line") } };

  function dark(d) {
    return {
      animation: false, textStyle: font,
      grid: { left: 30, right: 12, top: 10, bottom: 20 },
      xAxis: { type: "time", min: d.from, max: d.to, axisLine: { lineStyle: { color: token("line-strong") } }, axisTick: { show: false }, splitLine: { show: false },
        interval: 12 * 3600e3, axisLabel: { color: token("ink-2"), fontSize: 11, hideOverlap: true, formatter: function (t) { return d.labels[t] || ""; } } },
      yAxis: { type: "value", min: 0, max: Math.max(2.3, Math.max.apply(null, d.dark.map(function (p) { return p[1]; })) * 1.15), interval: Math.max(1, Math.ceil(Math.max.apply(null, d.dark.map(function (p) { return p[1]; })) / 2)), axisLabel: { color: token("ink-2"), fontSize: 11, showMaxLabel: false }, splitLine: line },
      series: [{ type: "line", step: "end", symbol: "none", data: d.dark, lineStyle: { color: token("ink"), width: 1.75 }, areaStyle: { color: token("ink"), opacity: 0.12 },
        markArea: { silent: true, itemStyle: { color: token("lost"), opacity: 0.16 }, label: { color: token("lost-text"), fontSize: 11, position: "insideTop", distance: 3 },
          data: d.unread.map(function (u) { return [{ xAxis: u[0], name: u[2], label: u[0] - d.from > (d.to - d.from) * 0.8 ? { position: "insideTopRight" } : {} }, { xAxis: u[1] }]; }) } }]
    };
  }

  function use(d) {
    var bands = { silent: true, label: { color: token("ink-2"), fontSize: 12, position: "insideTopLeft", distance: 6 }, data: d.prices.map(function (p, i) {
      var late = p.from > d.from + (d.to - d.from) * 0.75; // its name would run off the right edge
      return [{ xAxis: p.from, name: p.name, itemStyle: { color: token(i % 2 ? "brand-soft" : "sunk") }, label: late ? { position: "insideTopRight" } : {} }, { xAxis: p.to }];
    }) };
    var unnamed = { silent: true, data: bands.data.map(function (b) { return [{ xAxis: b[0].xAxis, itemStyle: b[0].itemStyle }, b[1]]; }) };
    var x = function (i, show) { return { type: "time", gridIndex: i, min: d.from, max: d.to, splitLine: { show: false }, axisTick: { show: false }, axisLine: { lineStyle: { color: token("line-strong") } },
      axisLabel: { show: show, customValues: Object.keys(d.ticks).map(Number), color: token("ink-2"), hideOverlap: false, formatter: function (t) { return d.ticks[t] || ""; } } }; };
    var y = function (i, name, extra) { return Object.assign({ type: "value", gridIndex: i, name: name, nameLocation: "end", nameGap: 8, nameTextStyle: { color: token("ink-2"), align: "left", padding: [0, 0, 0, -32] },
      axisLabel: { color: token("ink-2") }, splitLine: line }, extra); };
    var levels = d.levels.map(function (l) { return { yAxis: l.at, lineStyle: { color: token(l.state), type: l.state === "alarm1" ? "dashed" : "dotted", width: 1.25 },
      label: { show: false } }; });
    levels.push({ xAxis: d.now, lineStyle: { color: token("ink-3"), type: "solid", width: 1 }, label: { formatter: d.words.now, color: token("ink-2"), fontSize: 11, position: "end", distance: 3 } });
    return {
      animation: false, textStyle: font,
      grid: [{ left: 44, right: 16, top: 28, height: 164 }, { left: 44, right: 16, top: 222, bottom: 24 }],
      xAxis: [x(0, false), x(1, true)],
      yAxis: [y(0, d.words.balance, { min: d.balance.some(function (b) { return b[1] < 0; }) ? null : 0, axisLabel: { color: token("ink-2"), showMaxLabel: false } }), y(1, d.words.use, { min: 0, max: Math.max(1, d.use.reduce(function (m, u) { return Math.max(m, u[1]); }, 0)) * 1.45, splitNumber: 3, axisLabel: { color: token("ink-2"), showMaxLabel: false } })],
      series: [
        { type: "line", data: d.balance, symbol: "none", lineStyle: { color: token("ink"), width: 1.75 }, markArea: unnamed, markLine: { silent: true, symbol: "none", data: levels } },
        { type: "line", data: d.low, stack: "fan", symbol: "none", lineStyle: { opacity: 0 }, silent: true },
        { type: "line", data: d.fan, stack: "fan", symbol: "none", lineStyle: { opacity: 0 }, areaStyle: { color: token("ink"), opacity: 0.22 }, silent: true },
        { type: "line", data: d.forecast, symbol: "none", lineStyle: { color: token("ink"), width: 1.75, type: [3, 3] } },
        { type: "scatter", data: d.bought, symbol: "triangle", symbolSize: 9, itemStyle: { color: token("brand") },
          label: { show: true, position: "top", color: token("brand-deep"), fontSize: 11, formatter: function (p) { return p.data[2]; } } },
        { type: "scatter", symbolSize: 0, silent: true, data: d.levels.map(function (l) { return { value: [d.label_at, l.at],
          label: { show: true, position: l.state === "alarm1" ? [6, -14] : [6, 1], formatter: l.name, color: token(l.state + "-text"), fontSize: 11 } }; }) },
        { type: "line", xAxisIndex: 1, yAxisIndex: 1, data: [[d.from, 0], [d.to, 0]], symbol: "none", lineStyle: { opacity: 0 }, silent: true, markArea: bands },
        { type: "scatter", symbol: "rect", xAxisIndex: 1, yAxisIndex: 1, data: d.use, silent: true, clip: false, // a bar series would widen the axis and misalign the two plots
          symbolSize: function () { return 0; },
          markLine: { silent: true, symbol: "none", animation: false, label: { show: false }, lineStyle: { color: token("bar"), type: "solid", width: Math.max(1, Math.floor(d.bar_px || 7)) },
            data: d.use.map(function (u) { return [{ coord: [u[0], 0] }, { coord: [u[0], u[1]] }]; }) } }
      ]
    };
  }

  function load(d) {
    var marks = [{ xAxis: d.now, lineStyle: { color: token("ink-3"), type: "solid", width: 1 }, label: { formatter: d.words.now, color: token("ink-2"), fontSize: 11, position: "end", distance: 3 } }];
    if (d.limit) { marks.push({ yAxis: d.limit, lineStyle: { color: token("arrears"), type: "dashed", width: 1.25 }, label: { formatter: d.words.limit, color: token("arrears-text"), fontSize: 11, position: "insideStartTop" } }); }
    var most = d.most.reduce(function (m, p) { return Math.max(m, p[1]); }, d.limit || 0);
    return {
      animation: false, textStyle: font, grid: { left: 44, right: 16, top: 34, bottom: 26 },
      xAxis: { type: "time", min: d.from, max: d.to, axisTick: { show: false }, splitLine: { show: false }, axisLine: { lineStyle: { color: token("line-strong") } },
        axisLabel: { customValues: Object.keys(d.ticks).map(Number), color: token("ink-2"), formatter: function (t) { return d.ticks[t] || ""; } } },
      yAxis: { type: "value", min: 0, max: most * 1.1 || 1, name: d.words.load, nameTextStyle: { color: token("ink-2"), align: "left", padding: [0, 0, 0, -32] }, axisLabel: { color: token("ink-2"), showMaxLabel: false }, splitLine: line },
      series: [
        { type: "line", step: "end", data: d.most, symbol: "none", lineStyle: { color: token("bar"), width: 1, type: [2, 2] } },
        { type: "line", step: "end", data: d.mean, symbol: "none", lineStyle: { color: token("ink"), width: 1.75 }, areaStyle: { color: token("ink"), opacity: 0.08 }, markLine: { silent: true, symbol: "none", animation: false, data: marks } }
      ]
    };
  }

  var make = { dark: dark, use: use, load: load };
  document.querySelectorAll("[data-plot]").forEach(function (el) {
    var data = JSON.parse(document.getElementById(el.dataset.source).textContent);
    var chart = echarts.init(el, null, { renderer: "canvas" });
    chart.setOption(make[el.dataset.plot](data));
    window.addEventListener("resize", function () { chart.resize(); });
  });
})();
