/** The chat of a person who is logged in: the connection, the list of rooms, and the open rooms. One is shown. */

import type { Person } from "./api";
import { Connection, type ConnectionEnd } from "./connection";
import type { RoomResult } from "./contract";
import { find } from "./dom";
import { hideProblem, showConnection, showProblem } from "./notices";
import { inWords, type CallError } from "./problems";
import { Room } from "./room";
import { RoomView } from "./room_view";
import { RoomsView } from "./rooms_view";

/** A room stays open when another one is shown: it keeps its draft, and its new messages are counted. */
interface OpenRoom {
  name: string;
  room: Room;
  view: RoomView;
  unread: number;
}

/** Milliseconds. */
const LONGEST_DELAY = 3_000;

const TITLE = document.title;

export class Chat {
  readonly person: Person;
  readonly #connection: Connection;
  readonly #element = find(document, "#chat", HTMLElement);
  readonly #heading = find(document, "#rooms-heading", HTMLElement);
  readonly #roomsView = new RoomsView((id) => void this.#choose(id));
  readonly #listening = new AbortController();
  readonly #open = new Map<number, OpenRoom>();
  #rooms: RoomResult[] | null = null;
  #shown: number | null = null;
  #chosen: number | null = null;
  #leaving: number | null = null;
  #isLoadingSoon = false;

  constructor(person: Person, websocketUrl: string, ended: (end: ConnectionEnd) => void) {
    this.person = person;
    this.#connection = new Connection(websocketUrl, {
      state: showConnection,
      connected: ({ user }) => {
        if (user === person.user) return void this.#load();
        // Somebody else has logged in with another tab, and this page must not send its messages as theirs.
        this.close();
        location.reload();
      },
      ended,
    });
    const { signal } = this.#listening;
    addEventListener("popstate", () => this.#showAddressed(), { signal });
    // While the page was hidden, others have taken seats or given them back.
    document.addEventListener("visibilitychange", () => document.hidden || void this.#load(), { signal });
    // The browser asks whether the page may be closed, since what was not sent is lost with it.
    addEventListener("beforeunload", (event) => this.#hasUnsent() && event.preventDefault(), { signal });
  }

  connect(): void {
    this.#element.hidden = false;
    this.#focus();
    this.#connection.connect();
  }

  /** Hide everything until the next connect(). */
  hide(): void {
    this.#element.hidden = true;
  }

  close(): void {
    this.hide();
    this.#listening.abort();
    this.#connection.disconnect();
    for (const id of [...this.#open.keys()]) this.#close(id);
    this.#roomsView.clear();
  }

  async #load(): Promise<void> {
    const isFirst = this.#rooms === null;
    try {
      this.#rooms = await this.#connection.rpc("rooms.list", {});
    } catch (error) {
      // Below 100 there is no connection; with the next one it is loaded again.
      if ((error as CallError).code >= 100) this.#showError(error);
      return;
    }
    if (isFirst) this.#showAddressed();
    else this.#showRooms();
  }

  /** Read the list once however many join or leave, and not in the same moment as everybody else in the room. */
  #loadSoon(): void {
    if (this.#isLoadingSoon) return;
    this.#isLoadingSoon = true;
    setTimeout(() => {
      this.#isLoadingSoon = false;
      void this.#load();
    }, LONGEST_DELAY * Math.random());
  }

  async #choose(id: number): Promise<void> {
    hideProblem();
    this.#chosen = id;
    if (!this.#find(id)?.member) {
      try {
        await this.#connection.rpc("rooms.join", { room_id: id });
      } catch (error) {
        return this.#showError(error);
      } finally {
        void this.#load(); // the seats that are left
      }
    }
    if (id === this.#chosen) this.#go(id); // and not another one meanwhile
  }

  async #leave(id: number): Promise<void> {
    hideProblem();
    this.#leaving = id;
    try {
      await this.#connection.rpc("rooms.leave", { room_id: id });
      this.#close(id);
    } catch (error) {
      this.#showError(error);
    } finally {
      this.#leaving = null;
      void this.#load();
    }
  }

  // The address of the page names the room that is shown, for a reload and for the browser's own buttons.

  #go(id: number | null): void {
    if (id !== addressedRoom()) history.pushState(null, "", id === null ? location.pathname : `#rooms/${id}`);
    this.#show(id);
  }

  #showAddressed(): void {
    const id = addressedRoom();
    this.#show(id !== null && this.#find(id)?.member ? id : null);
  }

  #show(id: number | null): void {
    this.#shown = id;
    for (const [each, { view }] of this.#open) view.element.hidden = each !== id;
    this.#element.classList.toggle("shows-room", id !== null);
    if (id === null) {
      document.title = TITLE;
    } else {
      const open = this.#open.get(id) ?? this.#openRoom(id);
      open.unread = 0;
      document.title = `${open.name} – ${TITLE}`;
    }
    this.#showRooms();
    this.#focus();
  }

  #focus(): void {
    const shown = this.#shown === null ? undefined : this.#open.get(this.#shown);
    (shown?.view ?? this.#heading).focus();
  }

  #openRoom(id: number): OpenRoom {
    const name = this.#find(id)?.name ?? "";
    const view = new RoomView(name, this.person, {
      say: (text) => room.outbox.add(text),
      sendAgain: (item) => room.outbox.sendAgain(item),
      discard: (item) => room.outbox.discard(item),
      leave: () => void this.#leave(id),
      hide: () => this.#go(null),
      news: () => this.#count(id),
      seats: () => this.#loadSoon(),
      ended: (why) => this.#ended(id, why),
    });
    const room = new Room(this.#connection, id, view);
    const open = { name, room, view, unread: 0 };
    this.#open.set(id, open);
    return open;
  }

  #count(id: number): void {
    const open = this.#open.get(id);
    if (open === undefined || id === this.#shown) return;
    open.unread++;
    this.#showRooms();
  }

  #ended(id: number, why: string): void {
    if (id !== this.#leaving) showProblem(`${this.#open.get(id)?.name}: ${why}`);
    this.#close(id);
    void this.#load();
  }

  #close(id: number): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    open.room.close();
    open.view.element.remove();
    if (id === this.#shown) this.#go(null);
  }

  #showError(error: unknown): void {
    // A call that fails since the login has ended, or after a logout, is no problem of its own.
    if (!this.#element.hidden) showProblem(inWords(error as CallError));
  }

  #hasUnsent(): boolean {
    return Array.from(this.#open.values()).some(({ room }) => room.outbox.hasUnsent);
  }

  #find(id: number): RoomResult | undefined {
    return this.#rooms?.find((room) => room.id === id);
  }

  #showRooms(): void {
    const unread = new Map(Array.from(this.#open, ([id, open]) => [id, open.unread]));
    this.#roomsView.show(this.#rooms ?? [], this.#shown, unread);
  }
}

function addressedRoom(): number | null {
  const id = /^#rooms\/([0-9]{1,15})$/.exec(location.hash)?.[1];
  return id === undefined ? null : Number(id);
}
