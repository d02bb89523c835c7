export const STATUSES = [
  "held",
  "queued",
  "sending",
  "unconfirmed",
  "sent",
  "delivered",
  "undelivered",
  "failed",
  "refused",
  "canceled",
  "received",
  "read",
] as const;

export interface MessagesSearch {
  direction?: "inbound" | "outbound";
  status?: (typeof STATUSES)[number];
  number?: string;
}

/** The filters of the list, as the address has them. */
export function messagesSearch(search: Record<string, unknown>): MessagesSearch {
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
