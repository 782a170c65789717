/** A user's jobs: the calls of Centrifugo, and which news of a job is the latest. */

import type { Centrifuge } from "centrifuge";

import { channels, type JobResult as Job, type ReceivedPublications, type RpcMethods } from "./contract";

export type { Job };

/** Milliseconds without news of a job that has not ended, after which the page asks. */
const SILENCE = 4000;

const ENDED: ReadonlySet<Job["state"]> = new Set(["done", "cancelled", "failed"]);

export function hasEnded(job: Job): boolean {
  return ENDED.has(job.state);
}

export class Jobs {
  readonly #client: Centrifuge;
  readonly #show: (job: Job | null) => void;
  #latest: Job | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /** @param show - is called with each new state of the user's last job, and with null if there has been none */
  constructor(client: Centrifuge, user: string, show: (job: Job | null) => void) {
    this.#client = client;
    this.#show = show;
    const subscription = client.newSubscription(channels.jobs({ user }));
    subscription.on("publication", ({ data }: { data: ReceivedPublications["jobs:<user>"] }) => this.#note(data));
    // After a reload, and after each time that the connection was lost.
    subscription.on("subscribed", () => this.#refresh());
    subscription.subscribe();
  }

  start(rows: number): Promise<void> {
    return this.#ask("jobs.start", { rows });
  }

  async cancel(): Promise<void> {
    if (this.#latest) await this.#ask("jobs.cancel", { id: this.#latest.id });
  }

  /** Show nothing more: the user has logged out. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #refresh(): void {
    this.#ask("jobs.current", null).catch(() => this.#refreshAfterSilence());
  }

  async #ask<M extends keyof RpcMethods>(method: M, data: RpcMethods[M]["data"]): Promise<void> {
    const known = this.#latest;
    const { job }: RpcMethods[M]["result"] = (await this.#client.rpc(method, data)).data;
    if (job !== null) this.#note(job);
    // There may be no job any more, if Redis has lost it; but one may have been started meanwhile.
    else if (this.#latest === known) this.#accept(null);
  }

  #note(job: Job): void {
    // A publication and a reply can overtake each other.
    if (this.#latest === null || job.version >= this.#latest.version) this.#accept(job);
  }

  #accept(job: Job | null): void {
    if (this.#stopped) return;
    this.#latest = job;
    this.#show(job);
    clearTimeout(this.#timer);
    if (job !== null && !hasEnded(job)) this.#refreshAfterSilence();
  }

  /** Publications can be lost, and a worker that has died sends none. */
  #refreshAfterSilence(): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.#refresh(), SILENCE);
  }
}
