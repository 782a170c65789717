/** Finds and makes elements. Texts get into the page with textContent alone, so that a message cannot bring HTML. */

/** The element that the page has for certain. */
export function find<E extends Element>(root: ParentNode, selector: string, type: new () => E): E {
  const element = root.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} ${selector}`);
  return element;
}

export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  options: { className?: string; text?: string } = {},
  ...children: Node[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (options.className !== undefined) element.className = options.className;
  if (options.text !== undefined) element.textContent = options.text;
  element.append(...children);
  return element;
}

export function makeButton(text: string, onClick: () => void): HTMLButtonElement {
  const button = make("button", { text });
  button.type = "button";
  button.addEventListener("click", onClick);
  return button;
}

/** Make these the children. One that is in its place stays there, since moving it would take the focus from it. */
export function setChildren(parent: Element, children: readonly Element[]): void {
  for (const child of [...parent.children]) if (!children.includes(child)) child.remove();
  children.forEach((child, index) => {
    const current = parent.children[index] ?? null;
    if (current !== child) parent.insertBefore(child, current);
  });
}
