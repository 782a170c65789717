/**
 * The messages of this page that have not come back yet.
 *
 * When a connection is lost or a server restarts, it is unknown whether a message arrived. So each has a nonce, by which
 * the backend knows it again, and is sent until there is an answer. It leaves the outbox when it comes back.
 */

import { backoff } from "./backoff";
import type { NewMessage } from "./contract";
import { newNonce } from "./nonce";
import { inWords, isWorthRepeating, type CallError } from "./problems";

export interface Outgoing {
  readonly nonce: string;
  readonly text: string;
  state: "waiting" | "accepted" | "refused";
  /** Why it was refused. */
  problem: string;
  /** How often the server has answered with an error that is worth repeating the call. */
  failures: number;
}

/** Milliseconds. */
const LONGEST_PAUSE = 5_000;

/** About a minute: a message on which the server fails each time must not hold up those after it for good. */
const MOST_FAILURES = 15;

export class Outbox {
  readonly #publish: (message: NewMessage) => Promise<unknown>;
  readonly #changed: (items: readonly Outgoing[]) => void;
  #items: Outgoing[] = [];
  #isSending = false;
  #attempts = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(publish: (message: NewMessage) => Promise<unknown>, changed: (items: readonly Outgoing[]) => void) {
    this.#publish = publish;
    this.#changed = changed;
  }

  get hasUnsent(): boolean {
    return this.#items.some((item) => item.state !== "accepted");
  }

  add(text: string): void {
    this.#items.push({ nonce: newNonce(), text, state: "waiting", problem: "", failures: 0 });
    this.#changed(this.#items);
    void this.send();
  }

  /** Send a message again that was refused. */
  sendAgain(item: Outgoing): void {
    item.state = "waiting";
    item.failures = 0;
    this.#changed(this.#items);
    void this.send();
  }

  discard(item: Outgoing): void {
    this.#remove(item.nonce);
  }

  /** The message with this nonce has come back. */
  confirm(nonce: string): void {
    this.#remove(nonce);
  }

  /** Send what waits, one after another, so that messages arrive in the order in which they were written. */
  async send(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    clearTimeout(this.#retry);
    try {
      for (let item = this.#next(); item !== undefined; item = this.#next()) {
        try {
          await this.#publish({ text: item.text, nonce: item.nonce });
          item.state = "accepted";
        } catch (error) {
          if (this.#isToBeRepeated(item, error as CallError)) {
            this.#retry = setTimeout(() => this.send(), backoff(++this.#attempts, LONGEST_PAUSE));
            return;
          }
          item.state = "refused";
          item.problem = inWords(error as CallError);
        }
        this.#attempts = 0;
        this.#changed(this.#items);
      }
    } finally {
      this.#isSending = false;
    }
  }

  /** Send nothing any more. */
  close(): void {
    this.#items = [];
    clearTimeout(this.#retry);
  }

  #isToBeRepeated(item: Outgoing, error: CallError): boolean {
    if (!isWorthRepeating(error)) return false;
    if (error.code >= 100) item.failures++; // below 100 there was no answer, so it is not about this message
    return item.failures < MOST_FAILURES;
  }

  #next(): Outgoing | undefined {
    return this.#items.find((item) => item.state === "waiting");
  }

  #remove(nonce: string): void {
    const items = this.#items.filter((item) => item.nonce !== nonce);
    if (items.length === this.#items.length) return;
    this.#items = items;
    this.#changed(items);
  }
}
