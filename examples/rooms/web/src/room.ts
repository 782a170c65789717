/** One room: its subscription, its messages and who is there. */

import { unsubscribedCodes, type PublicationContext, type SubscribedContext, type Subscription } from "centrifuge";

import type { Connection } from "./connection";
import { channels, type MessageResult, type ReceivedPublications, type Subscriptions } from "./contract";
import { Messages } from "./messages";
import { Outbox, type Outgoing } from "./outbox";
import { People } from "./people";
import { inWords } from "./problems";

type Channel = "rooms:<int:room_id>";
type SubscribeData = Subscriptions[Channel]["data"];
type History = Subscriptions[Channel]["result"];
type Publication = ReceivedPublications[Channel];

export interface RoomListener {
  /** One more message. It stands before *next*, or is the last one. *isNew* if it is not of the first history. */
  message(message: MessageResult, next: MessageResult | null, isNew: boolean): void;
  /** The room has older messages, which the page does not get. */
  olderMessages(): void;
  joined(name: string): void;
  left(name: string): void;
  /** Who is there: names by user id. */
  people(names: Map<string, string>): void;
  outbox(items: readonly Outgoing[]): void;
  /** Why the room cannot be opened at the moment, or null if it is open. */
  problem(text: string | null): void;
  /** The subscription has ended for good. */
  ended(why: string): void;
}

/** Ids: a database may commit a message after one with a greater id, which was here already when it was asked. */
const OVERLAP = 20;

/** Publications that are asked for once after a subscription has begun anew: see #closeGap(). */
const LATEST = 20;

export class Room {
  readonly outbox: Outbox;
  readonly #connection: Connection;
  readonly #listener: RoomListener;
  readonly #subscription: Subscription;
  readonly #messages = new Messages<MessageResult>();
  readonly #people = new People();
  /** All messages up to this id are here; null before the first history. */
  #after: number | null = null;
  /** Whether publications follow the message #after without a gap. */
  #isGapless = false;

  constructor(connection: Connection, id: number, listener: RoomListener) {
    this.#connection = connection;
    this.#listener = listener;
    this.#subscription = connection.newSubscription(channels.rooms({ room_id: id }), {
      getData: async () => this.#missing(),
    });
    this.outbox = new Outbox(
      (message) => this.#subscription.publish(message),
      (items) => listener.outbox(items),
    );
    this.#subscription
      .on("subscribed", (context) => this.#subscribed(context))
      .on("publication", (context) => this.#published(context))
      .on("join", ({ info }) => this.#setPeople(() => this.#people.join(info)))
      .on("leave", ({ info }) => this.#setPeople(() => this.#people.leave(info)))
      .on("error", ({ error }) => listener.problem(inWords(error)))
      .on("unsubscribed", ({ code, reason }) => {
        if (code === unsubscribedCodes.unsubscribeCalled) return;
        // Below 2000 are errors of the subscribe. From there on, the server has ended a subscription.
        listener.ended(code < 2000 ? inWords({ code, message: reason }) : "You are no longer in this room.");
      });
    this.#subscription.subscribe();
  }

  close(): void {
    this.outbox.close();
    this.#connection.removeSubscription(this.#subscription);
  }

  /** What each subscribe asks the backend for: the messages that are missing here. */
  #missing(): SubscribeData {
    return { after: this.#after === null ? null : Math.max(0, this.#after - OVERLAP) };
  }

  #subscribed({ data, recovered }: SubscribedContext): void {
    const history: History = data;
    const isFirst = this.#after === null;
    for (const message of history.messages) this.#add(message, !isFirst);
    this.#after = history.messages.at(-1)?.id ?? this.#after ?? 0;
    if (!history.complete) {
      if (isFirst) {
        this.#listener.olderMessages();
      } else {
        // More has been written meanwhile than one reply holds. The next subscribe brings the next part.
        this.#subscription.unsubscribe();
        this.#subscription.subscribe();
        return;
      }
    }
    this.#listener.problem(null);
    this.#isGapless = recovered;
    if (!recovered) void this.#closeGap();
    void this.#loadPeople();
    // What Centrifugo has recovered is delivered when this handler has returned. Some of it may be in the outbox.
    queueMicrotask(() => this.outbox.send());
  }

  /**
   * The backend reads the history before Centrifugo begins the subscription. If Centrifugo cannot recover what was
   * published before, as at the first subscribe and after a restart, something can have been published in between.
   */
  async #closeGap(): Promise<void> {
    try {
      const { publications } = await this.#subscription.history({ limit: LATEST, reverse: true });
      for (const { data } of publications) {
        const publication: Publication = data;
        if (publication.type === "message") this.#add(publication, true);
      }
    } catch {
      return; // #after stays where it is, and the next subscribe starts there
    }
    this.#isGapless = true;
    this.#after = this.#messages.lastId ?? 0;
  }

  #published({ data }: PublicationContext): void {
    const publication: Publication = data;
    switch (publication.type) {
      case "message":
        this.#add(publication, true);
        if (this.#isGapless) this.#after = this.#messages.lastId;
        break;
      case "joined":
        this.#listener.joined(publication.name);
        break;
      case "left":
        this.#listener.left(publication.name);
        break;
    }
  }

  #add(message: MessageResult, isNew: boolean): void {
    const next = this.#messages.add(message);
    if (next !== undefined) this.#listener.message(message, next, isNew);
    if (message.nonce !== null) this.outbox.confirm(message.nonce);
  }

  async #loadPeople(): Promise<void> {
    try {
      await this.#people.load(() => this.#subscription.presence());
    } catch {
      return; // the next subscribe asks again
    }
    this.#listener.people(this.#people.names);
  }

  #setPeople(change: () => void): void {
    change();
    this.#listener.people(this.#people.names);
  }
}
