/** The pause before another try: longer each time, and at random, so that not all clients come back at once. */

/** Milliseconds. */
const SHORTEST = 500;

/** Milliseconds before this try; the first try has the number 1. At most *longest*. */
export function backoff(attempt: number, longest: number): number {
  return Math.min(longest, SHORTEST * 2 ** attempt) * (0.5 + Math.random() / 2);
}
