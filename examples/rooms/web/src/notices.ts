/** What the page says about itself: the state of the connection, and the last problem. */

import { find, make } from "./dom";

const connection = find(document, "#connection", HTMLElement);
const problem = find(document, "#problem", HTMLElement);

/** @param seconds Until the next try. */
export function showConnection(text: string, seconds?: number): void {
  connection.classList.toggle("lost", seconds !== undefined);
  if (seconds === undefined) {
    connection.textContent = text;
    return;
  }
  // Screen readers say the text once, and not the time each second.
  const time = make("span", { text: ` in ${seconds} s…` });
  time.ariaHidden = "true";
  if (connection.firstChild?.textContent === text) connection.lastChild?.replaceWith(time);
  else connection.replaceChildren(text, time);
}

export function showProblem(text: string): void {
  problem.textContent = text;
  problem.hidden = false;
}

export function hideProblem(): void {
  problem.hidden = true;
  problem.textContent = "";
}
