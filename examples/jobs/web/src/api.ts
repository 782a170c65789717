/** The login, over HTTP. The session is in a cookie, which the browser keeps. */

export class Refused extends Error {}

export async function currentUser(): Promise<string | null> {
  return (await ask("GET", "/session")).user;
}

export async function login(name: string): Promise<string | null> {
  return (await ask("POST", "/login", { name })).user;
}

export async function logout(): Promise<void> {
  await ask("POST", "/logout", {});
}

/** @throws Refused with the reason of the server */
async function ask(method: string, path: string, data?: object): Promise<{ user: string | null }> {
  const body = data === undefined ? {} : { body: JSON.stringify(data), headers: { "Content-Type": "application/json" } };
  const response = await fetch(path, { method, ...body }).catch(() => undefined);
  if (response?.status === 204) return { user: null };
  const reply = await response?.json().catch(() => undefined);
  if (response?.ok) return reply;
  throw new Refused(reply?.error ?? "The server does not answer. Try again.");
}
