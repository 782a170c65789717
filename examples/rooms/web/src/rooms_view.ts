/** The list of rooms. */

import type { RoomResult } from "./contract";
import { find, make, makeButton, setChildren } from "./dom";

export class RoomsView {
  readonly #list = find(document, "#rooms", HTMLElement);
  readonly #choose: (id: number) => void;
  #items = new Map<number, HTMLElement>();

  constructor(choose: (id: number) => void) {
    this.#choose = choose;
  }

  /** @param unread Numbers of messages by the room's id. */
  show(rooms: readonly RoomResult[], shown: number | null, unread: ReadonlyMap<number, number>): void {
    const known = this.#items;
    this.#items = new Map(rooms.map((room) => [room.id, known.get(room.id) ?? this.#makeItem(room.id)]));
    setChildren(this.#list, [...this.#items.values()]);
    for (const room of rooms) {
      const button = find(this.#items.get(room.id)!, "button", HTMLButtonElement);
      setText(button, room, unread.get(room.id) ?? 0);
      button.ariaCurrent = room.id === shown ? "true" : null;
    }
  }

  clear(): void {
    this.show([], null, new Map());
  }

  #makeItem(id: number): HTMLElement {
    return make("li", {}, makeButton("", () => this.#choose(id)));
  }
}

function setText(button: HTMLButtonElement, room: RoomResult, unread: number): void {
  const parts = [make("strong", { text: room.name }), make("small", { text: `, ${seats(room)}` })];
  if (unread > 0) parts.push(make("strong", { className: "unread", text: `, ${unread} new` }));
  button.replaceChildren(...parts);
}

function seats(room: RoomResult): string {
  if (room.invitation_only) return "by invitation";
  if (room.seats_left === 0) return "full";
  return room.seats_left === 1 ? "1 seat left" : `${room.seats_left} seats left`;
}
