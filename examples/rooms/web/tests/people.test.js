import assert from "node:assert/strict";
import { test } from "node:test";

import { People } from "../src/people";

const connection = (client, user, name) => ({ client, user, connInfo: { name } });
const ada = connection("a", "1", "ada");
const adaAgain = connection("b", "1", "ada");
const bob = connection("c", "2", "bob");

const names = (people) => [...people.names.values()].sort();

test("a person with two connections counts once and stays until both have left", () => {
  const people = new People();
  for (const each of [ada, adaAgain, bob]) people.join(each);
  assert.deepEqual(names(people), ["ada", "bob"]);
  people.leave(ada);
  assert.deepEqual(names(people), ["ada", "bob"]);
  people.leave(adaAgain);
  assert.deepEqual(names(people), ["bob"]);
});

test("presence replaces what was known before", async () => {
  const people = new People();
  people.join(ada);
  await people.load(async () => ({ clients: { c: bob } }));
  assert.deepEqual(names(people), ["bob"]);
});

test("joins and leaves count that come before the reply about presence", async () => {
  const people = new People();
  await people.load(async () => {
    people.join(bob);
    people.leave(ada);
    return { clients: { a: ada } };
  });
  assert.deepEqual(names(people), ["bob"]);
});
