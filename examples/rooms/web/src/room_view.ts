/** What one room looks like. */

import type { Person } from "./api";
import type { MessageResult } from "./contract";
import { find, make, makeButton, setChildren } from "./dom";
import type { Outgoing } from "./outbox";
import type { RoomListener } from "./room";

/** What the person does here, and what the list of rooms is to know. */
export interface RoomActions {
  say(text: string): void;
  sendAgain(item: Outgoing): void;
  discard(item: Outgoing): void;
  leave(): void;
  /** Go back to the list of rooms. */
  hide(): void;
  /** There is a new message of somebody else. */
  news(): void;
  /** Somebody has taken a seat or given it back. */
  seats(): void;
  ended(why: string): void;
}

/** Pixels from the end of the messages; who reads so near to it wants to see new ones. */
const NEAR_THE_END = 48;

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const DATE_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class RoomView implements RoomListener {
  readonly element: HTMLElement;
  readonly #actions: RoomActions;
  readonly #person: Person;
  readonly #log: HTMLElement;
  readonly #messages: HTMLElement;
  readonly #outbox: HTMLElement;
  readonly #people: HTMLElement;
  readonly #problem: HTMLElement;
  readonly #older: HTMLElement;
  readonly #toEnd: HTMLButtonElement;
  readonly #field: HTMLTextAreaElement;
  readonly #items = new Map<number, HTMLElement>();
  #outgoing = new Map<string, HTMLElement>();
  #isAtEnd = true;

  constructor(name: string, person: Person, actions: RoomActions) {
    this.#person = person;
    this.#actions = actions;
    const template = find(document, "#room", HTMLTemplateElement);
    const element = find(document.importNode(template.content, true), "section", HTMLElement);
    this.element = element;
    this.#log = find(element, ".log", HTMLElement);
    this.#messages = find(element, ".messages", HTMLElement);
    this.#outbox = find(element, ".outbox", HTMLElement);
    this.#people = find(element, ".people", HTMLElement);
    this.#problem = find(element, ".problem", HTMLElement);
    this.#older = find(element, ".older", HTMLElement);
    this.#toEnd = find(element, ".to-end", HTMLButtonElement);
    this.#field = find(element, "textarea", HTMLTextAreaElement);

    element.ariaLabel = name;
    find(element, "h2", HTMLElement).textContent = name;
    find(element, ".leave", HTMLButtonElement).addEventListener("click", actions.leave);
    find(element, ".back", HTMLButtonElement).addEventListener("click", actions.hide);
    this.#toEnd.addEventListener("click", () => this.#scrollToEnd());
    this.#log.addEventListener("scroll", () => this.#scrolled());
    // The log becomes smaller when a phone shows its keyboard, and has no size while another room is shown.
    new ResizeObserver(() => this.#isAtEnd && this.#scrollToEnd()).observe(this.#log);
    find(element, "form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    this.#field.addEventListener("keydown", (event) => {
      // While a text is composed, as in Japanese, Enter chooses a word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#say();
    });
    find(document, "#open-rooms", HTMLElement).append(element);
  }

  focus(): void {
    this.#field.focus();
  }

  message(message: MessageResult, next: MessageResult | null, isNew: boolean): void {
    const item = this.#makeMessage(message.author, message.text, message.sent_at);
    const nextItem = next === null ? null : (this.#items.get(next.id) ?? null);
    this.#items.set(message.id, item);
    this.#messages.insertBefore(item, nextItem);
    this.#keepEnd();
    if (isNew && message.author !== this.#person.name) this.#actions.news();
  }

  olderMessages(): void {
    this.#older.hidden = false;
  }

  joined(name: string): void {
    this.#addNotice(`${name} has joined.`);
    this.#actions.seats();
  }

  left(name: string): void {
    this.#addNotice(`${name} has left.`);
    this.#actions.seats();
  }

  people(names: Map<string, string>): void {
    const people = Array.from(names, ([user, name]) => (user === this.#person.user ? `${name} (you)` : name));
    people.sort((a, b) => a.localeCompare(b));
    this.#people.replaceChildren(...people.map((text) => make("li", { text })));
  }

  outbox(items: readonly Outgoing[]): void {
    // An item that has not changed keeps its element, or screen readers would read it again.
    const known = this.#outgoing;
    this.#outgoing = new Map(
      items.map((item) => {
        const key = `${item.nonce} ${item.state}`;
        return [key, known.get(key) ?? this.#makeOutgoing(item)];
      }),
    );
    setChildren(this.#outbox, [...this.#outgoing.values()]);
    this.#keepEnd();
  }

  problem(text: string | null): void {
    this.#problem.textContent = text;
    this.#problem.hidden = text === null;
  }

  ended(why: string): void {
    this.#actions.ended(why);
  }

  #say(): void {
    const text = this.#field.value.trim();
    this.#field.focus();
    if (text === "") return;
    this.#field.value = "";
    this.#actions.say(text);
    this.#scrollToEnd();
  }

  #addNotice(text: string): void {
    this.#messages.append(make("li", { className: "notice", text }));
    this.#keepEnd();
  }

  #makeMessage(author: string, text: string, sentAt: string | null): HTMLElement {
    const heading = make("p", { className: "meta" }, make("strong", { text: author }));
    if (sentAt !== null) heading.append(" ", makeTime(new Date(sentAt)));
    const className = author === this.#person.name ? "message own" : "message";
    return make("li", { className }, heading, make("p", { className: "text", text }));
  }

  #makeOutgoing(item: Outgoing): HTMLElement {
    const element = this.#makeMessage(this.#person.name, item.text, null);
    if (item.state !== "refused") {
      find(element, ".meta", HTMLElement).append(" ", make("span", { text: "sending…" }));
      return element;
    }
    element.classList.add("refused");
    const problem = make("p", { text: item.problem });
    problem.role = "alert";
    const decide = (action: (item: Outgoing) => void) => () => {
      this.#field.focus(); // the button goes away
      action(item);
    };
    const sendAgain = makeButton("Send again", decide(this.#actions.sendAgain));
    const discard = makeButton("Discard", decide(this.#actions.discard));
    element.append(problem, make("p", { className: "buttons" }, sendAgain, discard));
    return element;
  }

  #scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    if (clientHeight === 0) return; // another room is shown
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
    if (this.#isAtEnd) this.#toEnd.hidden = true;
  }

  /** Show what is new if the reader is at the end, and otherwise offer to. */
  #keepEnd(): void {
    if (this.#isAtEnd) this.#scrollToEnd();
    else this.#toEnd.hidden = false;
  }

  #scrollToEnd(): void {
    this.#isAtEnd = true;
    this.#toEnd.hidden = true;
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}

function makeTime(date: Date): HTMLTimeElement {
  const isToday = date.toDateString() === new Date().toDateString();
  const time = make("time", { text: (isToday ? TIME : DATE_AND_TIME).format(date) });
  time.dateTime = date.toISOString();
  return time;
}
