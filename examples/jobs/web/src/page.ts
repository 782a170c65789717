/** The page: a login, and what a logged-in user sees. */

import { Centrifuge } from "centrifuge";

import { login, logout, RequestFailed, session } from "./api";
import { disconnects, errors, type ConnectResult } from "./contract";
import { hasEnded, type Job, Jobs } from "./jobs";

const loginForm = element("login", HTMLFormElement);
const nameField = element("name", HTMLInputElement);
const jobsView = element("jobs", HTMLElement);
const who = element("who", HTMLElement);
const connection = element("connection", HTMLElement);
const startForm = element("start", HTMLFormElement);
const rowsField = element("rows", HTMLInputElement);
const startButton = element("start-button", HTMLButtonElement);
const cancelButton = element("cancel", HTMLButtonElement);
const bar = element("progress", HTMLProgressElement);
const percent = element("percent", HTMLElement);
const status = element("status", HTMLElement);
const problem = element("problem", HTMLElement);

/** Milliseconds until the page asks a server again that has not answered. */
const PAUSE = 3000;

let client: Centrifuge | undefined;
let jobs: Jobs | undefined;

function enter(user: string): void {
  who.textContent = user;
  loginForm.hidden = true;
  jobsView.hidden = false;
  rowsField.focus();
  showJob(null);

  client = new Centrifuge(document.body.dataset.websocketUrl ?? "");
  client.on("connecting", ({ code }) => say(connection, code === 0 ? "Connecting…" : "Connection lost. Trying again…"));
  client.on("connected", ({ data }) => {
    const welcome: ConnectResult = data;
    // Somebody else has logged in with another tab, and this page must not start their jobs.
    if (welcome.user !== user) location.reload();
    else say(connection, "Connected");
  });
  client.on("disconnected", ({ code, reason }) => {
    if (code === disconnects.Unauthorized.code) leave("Your login has ended. Log in again.");
    else say(connection, `Disconnected: ${reason}`);
  });
  jobs = new Jobs(client, user, showJob);
  client.connect();
}

function leave(reason: string): void {
  jobs?.stop();
  client?.disconnect();
  jobsView.hidden = true;
  loginForm.hidden = false;
  nameField.focus();
  say(problem, reason);
}

function showJob(job: Job | null): void {
  const canBeCancelled = job !== null && !hasEnded(job) && job.state !== "cancelling";
  // A button that is disabled loses the focus.
  if (!canBeCancelled && document.activeElement === cancelButton) startButton.focus();
  cancelButton.disabled = !canBeCancelled;
  bar.hidden = job === null;
  // A bar without a value says that the progress is not known.
  if (job === null || job.state === "queued") bar.removeAttribute("value");
  else bar.value = job.percent;
  bar.dataset.state = job?.state ?? "";
  percent.textContent = job === null || job.state === "queued" ? "" : `${job.percent} %`;
  say(status, job === null ? "There is no job yet." : inWords(job));
}

function inWords(job: Job): string {
  switch (job.state) {
    case "queued":
      return "Waiting for a worker";
    case "running":
      return "Running";
    case "cancelling":
      return "Cancelling…";
    case "done":
      return "Done";
    case "cancelled":
      return "Cancelled";
    case "failed":
      return "Failed. Start it again.";
  }
}

/** Run what a button does, and show in words what goes wrong. */
async function attempt(action: () => Promise<void> | undefined): Promise<void> {
  say(problem, "");
  try {
    await action();
  } catch (error) {
    say(problem, problemInWords(error));
  }
}

function problemInWords(error: unknown): string {
  if (error instanceof RequestFailed) return error.message;
  switch ((error as { code?: number }).code) {
    case errors.JobIsRunning.code:
      return "A job is running. Wait until it ends, or cancel it.";
    case errors.BadRequest.code:
      return "The server does not take these values.";
    default:
      return "There was no answer. Try again.";
  }
}

/** A live region is read out when its text changes, so it gets a text only if that is another one. */
function say(region: HTMLElement, text: string): void {
  if (region.textContent !== text) region.textContent = text;
}

function element<E extends HTMLElement>(id: string, type: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`page.html has no ${type.name} with the id ${id}`);
  return found;
}

function onSubmit(form: HTMLFormElement, action: () => Promise<void> | undefined): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(action);
  });
}

onSubmit(loginForm, async () => {
  enter(await login(nameField.value.trim().toLowerCase()));
});
onSubmit(startForm, () => jobs?.start(rowsField.valueAsNumber));
cancelButton.addEventListener("click", () => void attempt(() => jobs?.cancel()));
element("logout", HTMLButtonElement).addEventListener("click", () =>
  void attempt(async () => {
    await logout();
    leave("");
  }),
);

async function start(): Promise<void> {
  try {
    const user = await session();
    say(problem, "");
    if (user === null) leave("");
    else enter(user);
  } catch (error) {
    if (!(error instanceof RequestFailed)) throw error;
    say(problem, error.message);
    setTimeout(start, PAUSE);
  }
}

void start();
