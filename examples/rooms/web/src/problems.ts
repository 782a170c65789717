/** What went wrong with a call, in words for the person. Codes have names in the contract. */

import { errors } from "./contract";

/** What centrifuge-js rejects a call with. Codes below 100 are its own, such as a timeout or a closed connection. */
export interface CallError {
  code: number;
  message: string;
  temporary?: boolean;
}

const IN_WORDS = new Map<number, string>([
  [errors.RoomIsFull.code, "This room is full. Try again later."],
  [errors.InvitationOnly.code, "This room is by invitation only."],
  [errors.TooManyRequests.code, "Too many messages. Wait a moment and send again."],
  [errors.PermissionDenied.code, "You are not a member of this room."],
  [errors.UnknownChannel.code, "This room does not exist any more."],
  [errors.BadRequest.code, "The server does not accept this."],
]);

export function inWords(error: CallError): string {
  const words = IN_WORDS.get(error.code);
  if (words !== undefined) return words;
  if (isOutcomeUnknown(error)) return "The server does not answer. Try again in a moment.";
  return `Not possible: ${error.message}.`;
}

/** Whether the same call can succeed a moment later without anything being changed. */
export function isWorthRepeating(error: CallError): boolean {
  // Too many calls would be still more if they were repeated: the person decides when.
  return isOutcomeUnknown(error) || (error.temporary === true && error.code !== errors.TooManyRequests.code);
}

/** Whether the call may have been carried out although it failed. */
function isOutcomeUnknown(error: CallError): boolean {
  return error.code < 100 || error.code === errors.Internal.code;
}
