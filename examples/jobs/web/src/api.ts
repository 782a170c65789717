/** The views of the backend: who is logged in. The login itself is in a cookie, which scripts cannot read. */

/** A request that failed; the message is for the person. */
export class RequestFailed extends Error {}

/** Milliseconds. */
const TIMEOUT = 10_000;

const NO_ANSWER = "The server does not answer. Try again in a moment.";
const REFUSALS: Record<number, string> = {
  422: "A name has 1 to 20 letters a-z and digits.",
};

/** Who is logged in, or null. */
export async function session(): Promise<string | null> {
  return (await request<{ user: string | null }>("GET", "/session")).user;
}

export async function login(name: string): Promise<string> {
  return (await request<{ user: string }>("POST", "/login", { name })).user;
}

export function logout(): Promise<void> {
  return request("POST", "/logout");
}

async function request<Answer>(method: string, path: string, data?: object): Promise<Answer> {
  let status: number;
  let answer;
  try {
    const response = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: data === undefined ? null : JSON.stringify(data),
      signal: AbortSignal.timeout(TIMEOUT),
    });
    status = response.status;
    answer = status === 204 ? undefined : await response.json();
  } catch {
    throw new RequestFailed(NO_ANSWER); // no connection, no answer in time, or no JSON
  }
  if (status >= 400) throw new RequestFailed(REFUSALS[status] ?? answer.error ?? NO_ANSWER);
  return answer;
}
