/** Who is in a room. A person may be there several times, with several tabs or devices, and counts once. */

/** One connection, as Centrifugo describes it in presence, join and leave. */
export interface Presence {
  client: string;
  user: string;
  /** The `info` of the connect hook's result. */
  connInfo?: { name: string };
}

export class People {
  #connections = new Map<string, Presence>();
  /** Joins and leaves since presence was asked for: its reply may be older than they are. */
  #meanwhile: Array<() => void> = [];

  /** Each person's name by user id. */
  get names(): Map<string, string> {
    return new Map(Array.from(this.#connections.values(), ({ user, connInfo }) => [user, connInfo?.name ?? user]));
  }

  join(connection: Presence): void {
    this.#apply(() => this.#connections.set(connection.client, connection));
  }

  leave(connection: Presence): void {
    this.#apply(() => this.#connections.delete(connection.client));
  }

  /** Replace what is known by what presence says. */
  async load(presence: () => Promise<{ clients: Record<string, Presence> }>): Promise<void> {
    const meanwhile: Array<() => void> = [];
    this.#meanwhile = meanwhile;
    const { clients } = await presence();
    if (this.#meanwhile !== meanwhile) return; // another load has begun
    this.#connections = new Map(Object.entries(clients));
    for (const change of meanwhile) change();
    this.#meanwhile = [];
  }

  #apply(change: () => void): void {
    change();
    this.#meanwhile.push(change);
  }
}
