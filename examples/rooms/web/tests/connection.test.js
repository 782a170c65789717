import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection } from "../src/connection";

test("a clock that is set back during a pause does not make it longer", async (t) => {
  const { now } = Date;
  /** A server that is not there. */
  class FakeWebSocket {
    static tries = 0;
    static seen = () => {};

    constructor() {
      FakeWebSocket.seen(++FakeWebSocket.tries);
      queueMicrotask(() => this.onclose({ code: 1006, reason: "" }));
    }

    close() {}
  }
  const isTriedAgain = new Promise((resolve) => (FakeWebSocket.seen = (tries) => tries === 2 && resolve(true)));
  Object.assign(globalThis, { WebSocket: FakeWebSocket, addEventListener() {}, removeEventListener() {} });

  const connection = new Connection("ws://localhost/connection/websocket", {
    // The first pause has begun.
    state: (_text, seconds) => seconds && (Date.now = () => now() - 3_600_000),
    connected() {},
    ended() {},
  });
  t.after(() => {
    Date.now = now;
    connection.disconnect();
  });
  connection.connect();
  const tooLong = new Promise((resolve) => setTimeout(resolve, 5_000, false).unref());
  assert.equal(await Promise.race([isTriedAgain, tooLong]), true);
});
