/** The page: the form to log in, or the chat of the person who is logged in. */

import { logout, RequestFailed, session, type Person } from "./api";
import { backoff } from "./backoff";
import { Chat } from "./chat";
import type { ConnectionEnd } from "./connection";
import { find } from "./dom";
import { askForLogin } from "./login_view";
import { hideProblem, showConnection, showProblem } from "./notices";

const websocketUrl = document.body.dataset.websocketUrl ?? "";
const account = find(document, "#account", HTMLElement);
const connectAgain = find(document, "#connect-again", HTMLButtonElement);

/** Milliseconds. */
const LONGEST_PAUSE = 5_000;

let chat: Chat | null = null;

async function start(): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const person = await session();
      hideProblem();
      if (person === null) askForLogin("", enter);
      else enter(person);
      return;
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      showProblem(error.message);
      await new Promise((resolve) => setTimeout(resolve, backoff(attempt, LONGEST_PAUSE)));
    }
  }
}

function enter(person: Person): void {
  find(account, "#name", HTMLElement).textContent = person.name;
  account.hidden = false;
  // After a login that ended, the same person finds the chat with all that was not sent yet.
  if (chat?.person.user !== person.user) {
    chat?.close();
    chat = new Chat(person, websocketUrl, ended);
  }
  chat.connect();
}

function ended(end: ConnectionEnd): void {
  switch (end) {
    case "unauthorized":
      chat?.hide();
      account.hidden = true;
      showConnection("");
      showProblem("Your login has ended. Log in again.");
      askForLogin(chat?.person.name ?? "", enter);
      break;
    case "banned":
      chat?.close();
      chat = null;
      showProblem("You are banned.");
      break;
    case "other":
      connectAgain.hidden = false;
      break;
  }
}

find(account, "#log-out", HTMLButtonElement).addEventListener("click", async () => {
  hideProblem();
  try {
    await logout();
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    return showProblem(error.message);
  }
  chat?.close();
  chat = null;
  account.hidden = true;
  connectAgain.hidden = true;
  showConnection("");
  askForLogin("", enter);
});

connectAgain.addEventListener("click", () => {
  connectAgain.hidden = true;
  chat?.connect();
});

void start();
