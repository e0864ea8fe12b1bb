// Building the page. Texts become text nodes and nothing else: a name can never become markup.

const SVG = "http://www.w3.org/2000/svg";

// element("a", {class: "x", href: "#/try", onclick: go}, "text", other)
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "place") Object.assign(node.style, value); // the policy allows no style attribute
    else if (["value", "checked", "disabled", "selected", "indeterminate", "muted"].includes(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const PATHS = {
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 2-2 5 5M15.5 9.5h.01",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 16a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  paste: "M8 5H6v15h12V5h-2M9 3h6v4H9z",
  folder: "M3 6h6l2 2h10v11H3z",
  plus: "M12 5v14M5 12h14",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c1-5 4-7 8-7s7 2 8 7",
  people: "M9 12a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.500 20c.8-4 3.200-5.500 6.500-5.500s5.700 1.500 6.500 5.500M16 5.500a3.200 3.200 0 0 1 0 6M18 14.800c2 .7 3 2.400 3.500 5.200",
  key: "M8 16a4 4 0 1 1 3.500-6H21v4h-2.500v-2h-2v2h-5A4 4 0 0 1 8 16z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2",
  moon: "M20 14A8 8 0 1 1 10 4a6.500 6.500 0 0 0 10 10z",
  out: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  stop: "M7 7h10v10H7z",
  play: "M8 5l11 7-11 7z",
  check: "M5 13l4 4L19 7",
  cross: "M6 6l12 12M18 6L6 18",
  right: "M9 5l7 7-7 7",
  left: "M15 5l-7 7 7 7",
  pen: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  book: "M5 4h13v16H5zM9 4v16M12 8h3M12 12h3",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
};

export function icon(name) {
  return drawn("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, drawn("path", { d: PATHS[name] }));
}

export function button(text, onclick, { kind = "", sign = null, ...more } = {}) {
  return element("button", { type: "button", class: `button ${kind}`, onclick, ...more }, sign && icon(sign), text && element("span", {}, text));
}

let ids = 0;
export const freshId = (prefix) => `${prefix}-${++ids}`;

// A labelled field with an optional hint, tied together for screen readers.
export function field(label, input, hint = null) {
  input.id ||= freshId("field");
  const note = hint && element("small", { id: `${input.id}-hint`, class: "hint" }, hint);
  if (note) input.setAttribute("aria-describedby", note.id);
  return element("div", { class: "field" }, element("label", { for: input.id }, label), input, note);
}

export function tick(label, options = {}) {
  const box = element("input", { type: "checkbox", ...options });
  return [element("label", { class: "tick" }, box, element("span", {}, label)), box];
}

// Says something to screen readers without moving anybody's focus.
export function say(text) {
  const told = document.getElementById("told");
  told.textContent = "";
  requestAnimationFrame(() => { told.textContent = text; });
}

// When what is on the page now has been painted, or soon in a tab that is not shown.
export const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, 200);
});

// One line of news inside the page: kind is "good", "bad" or "".
export function notice(kind, ...children) {
  return element("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" }, ...children);
}
