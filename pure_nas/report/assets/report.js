"use strict";
(() => {
  const { pick, plots, schemes, trials } = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");
  const config = {
    responsive: true,
    displayModeBar: false,
    doubleClick: "reset",
  };
  const fronts = Object.keys(plots).filter((id) => id.startsWith("front-"));
  let printing = false;

  const scheme = () => {
    if (printing) return schemes.light;
    return schemes[root.dataset.scheme || (darkSystem.matches ? "dark" : "light")];
  };

  // Put the scheme's colours in the place of "@role".
  const coloured = (value, colours) => {
    if (typeof value === "string") return value[0] === "@" && colours[value.slice(1)] || value;
    if (Array.isArray(value)) return value.map((inner) => coloured(inner, colours));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner, colours)]));
  };

  const draw = () => Object.entries(plots).map(([id, figure]) => {
    const { data, layout } = coloured(figure, scheme());
    return Plotly.react(id, data, printing ? { ...layout, ...paperSize(id) } : layout, config);
  });

  // A plot as it is drawn for paper, whose width nobody knows: the drawing is scaled to it. Pixels.
  const paperSize = (id) => {
    const element = document.getElementById(id);
    const paired = element.closest(".views")?.childElementCount > 1;
    return { width: paired ? 460 : 900, height: paired ? 330 : parseFloat(getComputedStyle(element).height) };
  };

  const scaleToPaper = () => {
    for (const svg of document.querySelectorAll(".plot .main-svg")) {
      if (printing) svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
      else svg.removeAttribute("viewBox");
    }
  };

  // What is folded up on a screen is read on paper.
  const unfold = () => {
    if (printing) for (const part of document.querySelectorAll("details:not([open])")) part.dataset.folded = "yes";
    for (const part of document.querySelectorAll("details[data-folded]")) {
      part.open = printing;
      if (!printing) delete part.dataset.folded;
    }
  };

  // Ring a trial in every front plot, and let the other learning curves fade.
  const mark = (number) => {
    const values = trials[number];
    for (const id of fronts) {
      const place = values ? [[values[id.slice("front-".length)]], [100 * values.error]] : [[], []];
      Plotly.restyle(id, { x: [place[0]], y: [place[1]] }, [plots[id].data.length - 1]);
    }
    if (plots.curves) {
      const curves = plots.curves.data;
      const known = curves.some((curve) => curve.meta === number);
      const opacity = curves.map((curve) => (known && curve.meta !== number ? 0.15 : curve.opacity ?? 1));
      Plotly.restyle("curves", { opacity });
    }
  };

  const linkRows = () => {
    for (const row of document.querySelectorAll("tr[data-trial]")) {
      const number = Number(row.dataset.trial);
      for (const event of ["mouseenter", "focus"]) row.addEventListener(event, () => mark(number));
      for (const event of ["mouseleave", "blur"]) row.addEventListener(event, () => mark(null));
    }
  };

  const linkPoints = () => {
    for (const id of fronts) {
      document.getElementById(id).on("plotly_click", (event) => {
        const point = event.points[0];
        const row = point.customdata && document.getElementById(`trial-${point.customdata[0]}`);
        if (!row) return;
        row.scrollIntoView({ behavior: "smooth", block: "center" });
        row.focus({ preventScroll: true });
      });
    }
  };

  const linkScale = () => {
    const bar = document.querySelector(".switch");
    if (!bar || !fronts.some((id) => plots[id].layout.yaxis.type === "log")) return;
    bar.hidden = false;
    const buttons = [...bar.querySelectorAll("button")];
    const choose = (scale) => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.scale === scale));
    };
    for (const button of buttons) {
      button.addEventListener("click", () => {
        choose(button.dataset.scale);
        for (const id of fronts) {
          const axis = plots[id].layout.yaxis;
          axis.logRange ??= axis.range;
          axis.type = button.dataset.scale;
          const log = axis.type === "log";
          axis.range = log ? axis.logRange : [0, 10 ** axis.logRange[1]];
          axis.tickmode = log ? "array" : "auto";
          Plotly.relayout(id, { "yaxis.type": axis.type, "yaxis.range": axis.range, "yaxis.tickmode": axis.tickmode });
        }
      });
    }
    choose("log");
  };

  // The trial that `pure-nas pick` chooses, and its command.
  const picked = (limits, within) => {
    const kept = pick.trials.filter(({ costs }) => costs.every((cost, place) => cost <= limits[place]));
    const limited = limits.some((limit, place) => limit < pick.costs[place].texts.length - 1);
    if (!within && !limited) return kept.find(({ number }) => number === pick.knee);
    const lowest = Math.min(...kept.map(({ error }) => error));
    return kept.find(({ error }) => error <= lowest + within / 100 + 1e-12); // Cheap ones come first.
  };

  const linkPick = () => {
    const form = document.querySelector("form.pick");
    if (!form || !pick.trials.length) return;
    const [answer, command] = [document.querySelector(".picked"), document.getElementById("pick-command")];
    const sliders = [...form.querySelectorAll("input")];
    const rule = form.querySelector("select");
    const choose = () => {
      const limits = sliders.map((slider) => Number(slider.value));
      const words = ["pure-nas pick", pick.run];
      pick.costs.forEach(({ option, texts, limits: values }, place) => {
        const limited = limits[place] < texts.length - 1;
        const text = limited ? texts[limits[place]] : "any";
        sliders[place].parentElement.querySelector("output").textContent = text;
        sliders[place].setAttribute("aria-valuetext", text);
        if (limited) words.push(option, values[limits[place]]);
      });
      if (rule.value) words.push("--within", `${rule.value}pt`);
      command.textContent = words.join(" ");
      const found = picked(limits, Number(rule.value));
      answer.textContent = found
        ? `Trial ${found.number}: error ${found.text}, ` +
          pick.costs.map(({ label, texts }, place) => `${texts[found.costs[place]]} ${label}`).join(", ")
        : "No trial keeps these limits.";
      return found;
    };
    form.addEventListener("input", () => mark(choose()?.number ?? null));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = answer.hidden = false;
    choose();
  };

  // The chosen ticks of a logarithmic axis suit the whole plot; inside it Plotly finds finer ones.
  const linkZoom = () => {
    for (const [id, { layout }] of Object.entries(plots)) {
      const element = document.getElementById(id);
      element.on("plotly_relayout", (change) => {
        const update = {};
        for (const name of ["xaxis", "yaxis"]) {
          const { type, range } = layout[name];
          if (type !== "log" || !range || !Object.keys(change).some((key) => key.startsWith(`${name}.range`))) continue;
          const whole = element.layout[name].range.every((limit, end) => Math.abs(limit - range[end]) < 1e-9);
          const mode = whole ? "array" : "auto";
          if (element.layout[name].tickmode !== mode) update[`${name}.tickmode`] = mode;
        }
        if (Object.keys(update).length) Plotly.relayout(id, update);
      });
    }
  };

  document.getElementById("scheme").addEventListener("click", () => {
    root.dataset.scheme = scheme() === schemes.dark ? "light" : "dark";
    draw();
  });
  darkSystem.addEventListener("change", draw);
  for (const [event, value] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(event, () => {
      printing = value;
      unfold();
      draw();
      if (printing) draw(); // The first time, legends are placed by the margins of the screen.
      scaleToPaper();
    });
  }
  Promise.all(draw()).then(() => {
    linkRows();
    linkPoints();
    linkScale();
    linkZoom();
    linkPick();
    root.dataset.ready = "yes";
  });
})();
