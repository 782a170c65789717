import assert from "node:assert/strict";
import { test } from "node:test";

import { errors } from "../src/contract";
import { Outbox } from "../src/outbox";

const TIMED_OUT = { code: 1, message: "timeout" };

/** An outbox whose messages get these answers: null for success, or an error. */
function outboxWith(t, ...answers) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sent = [];
  let items = [];
  const outbox = new Outbox(
    async (message) => {
      sent.push(message);
      const error = answers.length > 1 ? answers.shift() : answers[0];
      if (error !== null) throw error;
    },
    (changed) => (items = [...changed]),
  );
  return { outbox, sent, items: () => items };
}

/** Let everything happen that waits for no timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Let the pause before the next try pass. */
async function nextTry(t) {
  t.mock.timers.tick(5_000);
  await settle();
}

test("messages are sent one after another, each with a nonce of its own", async (t) => {
  const { outbox, sent } = outboxWith(t, null);
  for (const text of ["one", "two", "three"]) outbox.add(text);
  assert.equal(sent.length, 1);
  await settle();
  assert.deepEqual(sent.map(({ text }) => text), ["one", "two", "three"]);
  assert.equal(new Set(sent.map(({ nonce }) => nonce)).size, 3);
  assert.match(sent[0].nonce, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("a message stays until it comes back", async (t) => {
  const { outbox, sent, items } = outboxWith(t, null);
  outbox.add("one");
  await settle();
  assert.deepEqual(items().map(({ state }) => state), ["accepted"]);
  outbox.confirm(sent[0].nonce);
  assert.deepEqual(items(), []);
});

for (const [what, error] of [
  ["without an answer", TIMED_OUT],
  ["with an internal error", errors.Internal],
  ["with a temporary error", { code: 1999, message: "busy", temporary: true }],
]) {
  test(`a message ${what} is sent again with the same nonce, and before later ones`, async (t) => {
    const { outbox, sent } = outboxWith(t, error, null);
    outbox.add("one");
    outbox.add("two");
    await settle();
    await nextTry(t);
    assert.deepEqual(sent.map(({ text }) => text), ["one", "one", "two"]);
    assert.equal(sent[0].nonce, sent[1].nonce);
  });
}

test("what waits is sent at once when the room is open again", async (t) => {
  const { outbox, sent } = outboxWith(t, TIMED_OUT, null);
  outbox.add("one");
  await settle();
  await outbox.send();
  await nextTry(t);
  assert.equal(sent.length, 2);
});

test("after a failure, the pause before an earlier try does not count any more", async (t) => {
  const { outbox, sent } = outboxWith(t, TIMED_OUT);
  outbox.add("one");
  await settle(); // a pause of a second at most
  await outbox.send(); // a pause of a second at least
  t.mock.timers.tick(999);
  await settle();
  assert.equal(sent.length, 2);
});

test("a message that came back while its outcome was unknown is not sent again", async (t) => {
  const { outbox, sent, items } = outboxWith(t, TIMED_OUT);
  outbox.add("one");
  await settle();
  outbox.confirm(sent[0].nonce);
  await nextTry(t);
  assert.equal(sent.length, 1);
  assert.deepEqual(items(), []);
});

for (const error of [errors.TooManyRequests, errors.PermissionDenied, errors.BadRequest]) {
  test(`a message refused with "${error.message}" is kept with the reason, and the next one is sent`, async (t) => {
    const { outbox, sent, items } = outboxWith(t, error, null);
    outbox.add("one");
    outbox.add("two");
    await settle();
    await nextTry(t);
    assert.deepEqual(sent.map(({ text }) => text), ["one", "two"]);
    assert.deepEqual(items().map(({ text, state }) => [text, state]), [["one", "refused"], ["two", "accepted"]]);
    assert.notEqual(items()[0].problem, "");
  });
}

test("a refused message can be sent again, with the same nonce, or discarded", async (t) => {
  const { outbox, sent, items } = outboxWith(t, errors.TooManyRequests, errors.TooManyRequests, null);
  outbox.add("one");
  outbox.add("two");
  await settle();
  const [one, two] = items();
  outbox.sendAgain(one);
  outbox.discard(two);
  await settle();
  assert.deepEqual(sent.map(({ nonce }) => nonce), [one.nonce, two.nonce, one.nonce]);
  assert.deepEqual(items().map(({ text, state }) => [text, state]), [["one", "accepted"]]);
});

test("a message on which the server fails for a minute is refused, and the next one is sent", async (t) => {
  const { outbox, sent, items } = outboxWith(t, errors.Internal);
  outbox.add("one");
  outbox.add("two");
  await settle();
  for (let tries = 1; tries < 15; tries++) await nextTry(t);
  assert.equal(items()[0].state, "refused");
  assert.equal(sent.at(-1).text, "two");
});

test("a message is never given up while there is no answer", async (t) => {
  const { outbox, items } = outboxWith(t, TIMED_OUT);
  outbox.add("one");
  await settle();
  for (let tries = 1; tries < 40; tries++) await nextTry(t);
  assert.equal(items()[0].state, "waiting");
});

test("after closing, nothing is sent", async (t) => {
  const { outbox, sent } = outboxWith(t, TIMED_OUT);
  outbox.add("one");
  await settle();
  outbox.close();
  await nextTry(t);
  assert.equal(sent.length, 1);
});
