export const STATUSES = [
  "completed",
  "no_answer",
  "busy",
  "failed",
  "canceled",
  "unconfirmed",
  "queued",
  "initiated",
  "ringing",
  "in_progress",
] as const;

export type Status = (typeof STATUSES)[number];

export interface CallsSearch {
  direction?: "inbound" | "outbound";
  status?: Status;
  number?: string;
}

/** The filters of the list, as the address has them. */
export function callsSearch(search: Record<string, unknown>): CallsSearch {
  const { direction, number } = search;
  const status = STATUSES.find((one) => one === search.status);
  // The router reads digits in an address as a number.
  const digits = typeof number === "string" ? number : typeof number === "number" ? `+${number}` : "";
  return {
    ...(direction === "inbound" || direction === "outbound" ? { direction } : {}),
    ...(status === undefined ? {} : { status }),
    ...(digits === "" ? {} : { number: digits }),
  };
}
