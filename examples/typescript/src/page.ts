const app = document.querySelector('main') ?? document.body;

/** Replaces everything on the page, with all that it shows of the user. */
export function show(...parts: (Node | string)[]): void {
  app.replaceChildren(...parts);
}

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]>,
  ...parts: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...parts);
  return created;
}

export function button(text: string, act: () => unknown): HTMLButtonElement {
  return element('button', { type: 'button', onclick: () => void act() }, text);
}
