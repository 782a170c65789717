// Written by: flask centrifugo export typescript. Do not edit.

export type Cancel = { id: string };

export type CurrentJobResult = { job: JobResult | null };

export type JobResult = { id: string; state: "queued" | "running" | "cancelling" | "done" | "cancelled" | "failed"; percent: number; version: number };

export type Start = { rows: number };

export type WelcomeResult = { user: string };

export interface RpcMethods {
  "jobs.cancel": { data: Cancel; result: CurrentJobResult };
  "jobs.current": { data: unknown; result: CurrentJobResult };
  "jobs.start": { data: Start; result: CurrentJobResult };
}

export interface Publications {
}

export interface MapPublications {
}

export interface Subscriptions {
  "jobs:<user>": { data: unknown; result: unknown };
}

export type ConnectData = unknown;

export type ConnectResult = WelcomeResult;

export interface ReceivedPublications {
  "jobs:<user>": JobResult;
}

function int(name: string, value: number | bigint): string {
  const fits = typeof value === "bigint" ? value >= 0n && value <= 9223372036854775807n : Number.isSafeInteger(value);
  if (!fits || value < 0) throw new RangeError(`${name} must be an integer from 0 to 2^63-1, not ${value}`);
  return value.toString() === "-0" ? "0" : value.toString();
}

function text(name: string, value: string, allowed: RegExp): string {
  if (!allowed.test(value)) throw new RangeError(`${name} cannot be ${JSON.stringify(value)} in a channel`);
  return value;
}

const NAME = /^[^:#/,]+$/;
const PATH = /^[^]+$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const channels = {
  /** jobs:<user> */
  jobs: (variables: { user: string }): string => "jobs:" + text("user", variables.user, NAME),
} as const;

export const methods = {
} as const;

export const errors = {
  Internal: {"code": 100, "message": "internal server error", "temporary": true},
  Unauthorized: {"code": 101, "message": "unauthorized", "temporary": false},
  UnknownChannel: {"code": 102, "message": "unknown channel", "temporary": false},
  PermissionDenied: {"code": 103, "message": "permission denied", "temporary": false},
  MethodNotFound: {"code": 104, "message": "method not found", "temporary": false},
  AlreadySubscribed: {"code": 105, "message": "already subscribed", "temporary": false},
  LimitExceeded: {"code": 106, "message": "limit exceeded", "temporary": false},
  BadRequest: {"code": 107, "message": "bad request", "temporary": false},
  NotAvailable: {"code": 108, "message": "not available", "temporary": false},
  TokenExpired: {"code": 109, "message": "token expired", "temporary": false},
  Expired: {"code": 110, "message": "expired", "temporary": false},
  TooManyRequests: {"code": 111, "message": "too many requests", "temporary": true},
  UnrecoverablePosition: {"code": 112, "message": "unrecoverable position", "temporary": false},
  ConcurrentPagination: {"code": 113, "message": "concurrent pagination", "temporary": true},
  JobIsRunning: {"code": 1001, "message": "a job is running", "temporary": true},
} as const;

export const disconnects = {
  ConnectionClosed: {"code": 3000, "reason": "connection closed", "terminal": false},
  Shutdown: {"code": 3001, "reason": "shutdown", "terminal": false},
  ServerError: {"code": 3004, "reason": "internal server error", "terminal": false},
  Expired: {"code": 3005, "reason": "connection expired", "terminal": false},
  SubExpired: {"code": 3006, "reason": "subscription expired", "terminal": false},
  Slow: {"code": 3008, "reason": "slow", "terminal": false},
  WriteError: {"code": 3009, "reason": "write error", "terminal": false},
  InsufficientState: {"code": 3010, "reason": "insufficient state", "terminal": false},
  ForceReconnect: {"code": 3011, "reason": "force reconnect", "terminal": false},
  NoPong: {"code": 3012, "reason": "no pong", "terminal": false},
  TooManyRequests: {"code": 3013, "reason": "too many requests", "terminal": false},
  StateInvalidated: {"code": 3014, "reason": "state invalidated", "terminal": false},
  InvalidToken: {"code": 3500, "reason": "invalid token", "terminal": true},
  BadRequest: {"code": 3501, "reason": "bad request", "terminal": true},
  Stale: {"code": 3502, "reason": "stale", "terminal": true},
  ForceNoReconnect: {"code": 3503, "reason": "force disconnect", "terminal": true},
  ConnectionLimit: {"code": 3504, "reason": "connection limit", "terminal": true},
  ChannelLimit: {"code": 3505, "reason": "channel limit", "terminal": true},
  InappropriateProtocol: {"code": 3506, "reason": "inappropriate protocol", "terminal": true},
  PermissionDenied: {"code": 3507, "reason": "permission denied", "terminal": true},
  NotAvailable: {"code": 3508, "reason": "not available", "terminal": true},
  TooManyErrors: {"code": 3509, "reason": "too many errors", "terminal": true},
  Unauthorized: {"code": 4501, "reason": "unauthorized", "terminal": true},
} as const;
