import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";

import { Room } from "../src/room";

const message = (id, text = `text ${id}`, nonce = null) => ({ type: "message", id, author: "bob", text, nonce });

/** A subscription to Centrifugo without Centrifugo; the test says what it gets. */
class FakeSubscription extends EventEmitter {
  /** What each subscribe sent. */
  asked = [];
  published = [];
  latest = Promise.resolve({ publications: [] });

  constructor(options) {
    super();
    this.options = options;
  }

  async subscribe() {
    this.asked.push((await this.options.getData()).after);
  }

  unsubscribe() {}

  history() {
    return this.latest;
  }

  async presence() {
    return { clients: {} };
  }

  async publish(data) {
    this.published.push(data);
  }

  /** Let the subscribe succeed. */
  subscribed(messages, { complete = true, recovered = true } = {}) {
    this.emit("subscribed", { data: { messages, complete }, recovered });
  }

  receive(data) {
    this.emit("publication", { data });
  }
}

/** An open room, its subscription, and the ids of its messages in the order in which they are shown. */
async function openRoom() {
  let subscription;
  const shown = [];
  const listener = {
    message: ({ id }, next) => shown.splice(next === null ? shown.length : shown.indexOf(next.id), 0, id),
  };
  for (const name of ["olderMessages", "people", "outbox", "problem"]) listener[name] = () => {};
  const newSubscription = (_channel, options) => (subscription = new FakeSubscription(options));
  const room = new Room({ newSubscription }, 7, listener);
  await settle();
  return { room, subscription, shown };
}

/** Let everything happen that waits for no timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function subscribeAgain(subscription) {
  await subscription.subscribe();
  return subscription.asked.at(-1);
}

test("the first subscribe asks for the latest messages, and later ones from 20 ids before the last", async () => {
  const { subscription, shown } = await openRoom();
  assert.deepEqual(subscription.asked, [null]);
  subscription.subscribed([message(98), message(100)]);
  subscription.receive(message(101));
  assert.equal(await subscribeAgain(subscription), 81);
  subscription.subscribed([message(99), message(100), message(101), message(102)]);
  assert.deepEqual(shown, [98, 99, 100, 101, 102]);
});

test("a room that was empty asks for all messages since", async () => {
  const { subscription } = await openRoom();
  subscription.subscribed([]);
  assert.equal(await subscribeAgain(subscription), 0);
});

test("if more is missing than one reply holds, the room subscribes until it has all", async () => {
  const { subscription, shown } = await openRoom();
  subscription.subscribed([message(1)], { complete: false });
  assert.deepEqual(subscription.asked, [null]);
  await subscribeAgain(subscription);
  subscription.subscribed([message(100), message(200)], { complete: false });
  await settle();
  assert.equal(subscription.asked.at(-1), 180);
  subscription.subscribed([message(200), message(300)]);
  await settle();
  assert.equal(subscription.asked.length, 3);
  assert.deepEqual(shown, [1, 100, 200, 300]);
});

test("what was published between the history and the subscription is asked for if it is not recovered", async () => {
  const { subscription, shown } = await openRoom();
  let reply;
  subscription.latest = new Promise((resolve) => (reply = resolve));
  subscription.subscribed([message(100)], { recovered: false });
  subscription.receive(message(200));
  assert.equal(await subscribeAgain(subscription), 80); // 101 to 199 may be missing
  reply({ publications: [{ data: message(200) }, { data: message(150) }] });
  await settle();
  assert.equal(await subscribeAgain(subscription), 180);
  assert.deepEqual(shown, [100, 150, 200]);
});

test("what cannot be asked for at the moment is asked for with the next subscribe", async () => {
  const { subscription } = await openRoom();
  subscription.latest = Promise.reject({ code: 11, message: "connection closed" });
  subscription.subscribed([message(100)], { recovered: false });
  await settle();
  subscription.receive(message(200));
  assert.equal(await subscribeAgain(subscription), 80);
});

test("a message that the history brings back is not sent again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { room, subscription } = await openRoom();
  subscription.subscribed([]);
  const nonces = [];
  subscription.publish = async ({ nonce }) => {
    nonces.push(nonce);
    throw { code: 11, message: "connection closed" };
  };
  room.outbox.add("hello");
  await settle();
  subscription.subscribed([message(1, "hello", nonces[0])]);
  await settle();
  t.mock.timers.tick(60_000);
  await settle();
  assert.equal(nonces.length, 1);
});

test("a message whose outcome is unknown is sent again when the room is open again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { room, subscription } = await openRoom();
  const publish = subscription.publish;
  subscription.publish = () => Promise.reject({ code: 11, message: "connection closed" });
  room.outbox.add("hello");
  await settle();
  subscription.publish = publish;
  subscription.subscribed([]);
  await settle();
  assert.deepEqual(subscription.published.map(({ text }) => text), ["hello"]);
});
