/** A user's jobs: the calls of Centrifugo, and which news of a job is the latest. */

import { Centrifuge } from "centrifuge";
import { channels, type JobResult as Job, type ReceivedPublications, type RpcMethods } from "./contract.js";

export type { Job };

/** Milliseconds without news of a job that has not ended, after which the page asks. */
const SILENCE = 4000;

const ENDED: ReadonlySet<Job["state"]> = new Set(["done", "cancelled", "failed"]);

export function hasEnded(job: Job): boolean {
  return ENDED.has(job.state);
}

export class Jobs {
  private latest: Job | null = null;
  private timer: number | undefined;
  private stopped = false;

  /** @param show - is called with each new state of the user's last job, and with null if there has been none */
  constructor(
    private readonly client: Centrifuge,
    user: string,
    private readonly show: (job: Job | null) => void,
  ) {
    const subscription = client.newSubscription(channels.jobs({ user }));
    subscription.on("publication", ({ data }: { data: ReceivedPublications["jobs:<user>"] }) => this.note(data));
    // After a reload, and after each time that the connection was lost.
    subscription.on("subscribed", () => this.ask());
    subscription.subscribe();
  }

  async start(rows: number): Promise<void> {
    this.note((await this.call("jobs.start", { rows })).job);
  }

  async cancel(): Promise<void> {
    if (this.latest) this.note((await this.call("jobs.cancel", { id: this.latest.id })).job);
  }

  /** Show nothing more: the user has logged out. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async ask(): Promise<void> {
    try {
      this.note((await this.call("jobs.current", null)).job);
    } catch {
      this.waitForNews();
    }
  }

  private note(job: Job | null): void {
    if (this.stopped) return;
    // A publication and a reply can overtake each other.
    if (job === null ? this.latest === null : job.version > (this.latest?.version ?? 0)) {
      this.latest = job;
      this.show(job);
    }
    this.waitForNews();
  }

  /** Publications can be lost, and a worker that has died sends none. */
  private waitForNews(): void {
    clearTimeout(this.timer);
    if (this.latest && !hasEnded(this.latest) && !this.stopped) this.timer = setTimeout(() => void this.ask(), SILENCE);
  }

  private async call<M extends keyof RpcMethods>(
    method: M,
    data: RpcMethods[M]["data"],
  ): Promise<RpcMethods[M]["result"]> {
    return (await this.client.rpc(method, data)).data;
  }
}
