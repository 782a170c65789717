/** The messages of a room in order of their ids, each once, from wherever they came and however often. */

export interface Identified {
  id: number;
}

export class Messages<M extends Identified> {
  readonly #messages: M[] = [];

  /** The id of the last message, or null. */
  get lastId(): number | null {
    return this.#messages.at(-1)?.id ?? null;
  }

  /** Add a message; return the one that it stands before, null if it is the last, or undefined if it was there. */
  add(message: M): M | null | undefined {
    // From the end, since almost every message is the last.
    let index = this.#messages.length;
    while (index > 0 && this.#messages[index - 1]!.id > message.id) index--;
    if (this.#messages[index - 1]?.id === message.id) return undefined;
    const next = this.#messages[index] ?? null;
    this.#messages.splice(index, 0, message);
    return next;
  }
}
