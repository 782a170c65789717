import assert from "node:assert/strict";
import { test } from "node:test";

import { Messages } from "../src/messages";

test("a message is added before the first one with a greater id", () => {
  const messages = new Messages();
  const [first, second, third] = [{ id: 1 }, { id: 2 }, { id: 3 }];
  assert.equal(messages.add(third), null);
  assert.equal(messages.add(first), third);
  assert.equal(messages.add(second), third);
  assert.equal(messages.lastId, 3);
});

test("a message that is there already is not added again", () => {
  const messages = new Messages();
  for (const id of [1, 2, 3]) messages.add({ id });
  for (const id of [3, 1, 2]) assert.equal(messages.add({ id }), undefined);
});

test("without messages there is no last id", () => {
  assert.equal(new Messages().lastId, null);
});
