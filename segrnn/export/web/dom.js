// Elements of the page. They are made of text and properties alone: no name is ever read as HTML.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

export const percent = (share) => (share > 0 && share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);
