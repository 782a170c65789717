/** The connection to Centrifugo. It is made with the cookie of the login, which Centrifugo forwards to the backend. */

import { Centrifuge, disconnectedCodes, State, type Subscription, type SubscriptionOptions } from "centrifuge";

import { backoff } from "./backoff";
import { disconnects, type ConnectData, type ConnectResult, type RpcMethods } from "./contract";

export type ConnectionEnd = "unauthorized" | "banned" | "other";

export interface ConnectionListener {
  /** In words; *seconds* until the next try, if it comes after a pause. */
  state(text: string, seconds?: number): void;
  connected(welcome: ConnectResult): void;
  /** There will be no further try. */
  ended(end: ConnectionEnd): void;
}

/** Milliseconds. */
const LONGEST_PAUSE = 10_000;

export class Connection {
  readonly #client: Centrifuge;
  readonly #listener: ConnectionListener;
  #attempts = 0;
  #isPauseOver = true;
  #wake = (): void => {};

  constructor(url: string, listener: ConnectionListener) {
    this.#listener = listener;
    this.#client = new Centrifuge(url, {
      // centrifuge-js asks for the data before each try. The pause is there and not in centrifuge-js, which does not
      // tell how long its own are.
      getData: () => this.#pause(),
      minReconnectDelay: 0,
      maxReconnectDelay: 0,
    });
    this.#client.on("connecting", () => listener.state("Connecting…"));
    this.#client.on("connected", ({ data }) => {
      this.#attempts = 1; // if the connection is lost, there is a pause before the first try, too
      listener.state("Connected");
      listener.connected(data);
    });
    this.#client.on("disconnected", ({ code, reason }) => {
      this.#endPause();
      removeEventListener("online", this.#endPause);
      listener.state(`Disconnected: ${reason}`);
      if (code === disconnects.Unauthorized.code) listener.ended("unauthorized");
      else if (code === disconnects.Banned.code) listener.ended("banned");
      else if (code !== disconnectedCodes.disconnectCalled) listener.ended("other");
    });
  }

  connect(): void {
    this.#attempts = 0;
    addEventListener("online", this.#endPause);
    this.#client.connect();
  }

  disconnect(): void {
    this.#client.disconnect();
  }

  async rpc<Method extends keyof RpcMethods>(
    method: Method,
    data: RpcMethods[Method]["data"],
  ): Promise<RpcMethods[Method]["result"]> {
    return (await this.#client.rpc(method, data)).data;
  }

  newSubscription(channel: string, options: SubscriptionOptions): Subscription {
    return this.#client.newSubscription(channel, options);
  }

  removeSubscription(subscription: Subscription): void {
    this.#client.removeSubscription(subscription);
  }

  async #pause(): Promise<ConnectData> {
    this.#isPauseOver = this.#attempts === 0;
    // Not the time of day, which can be set back.
    const end = performance.now() + backoff(this.#attempts++, LONGEST_PAUSE);
    for (let left = end - performance.now(); left > 0 && !this.#isPauseOver; left = end - performance.now()) {
      this.#listener.state("Connection lost. Trying again", Math.ceil(left / 1000));
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, Math.min(left, 1000));
      });
    }
    if (this.#client.state === State.Connecting) this.#listener.state("Connecting…");
    return {};
  }

  /** The device is in a network again, or the page wants no connection any more. */
  readonly #endPause = (): void => {
    this.#isPauseOver = true;
    this.#wake();
  };
}
