import { queryOptions, useQuery } from "@tanstack/react-query";

import { api, unwrap } from "@/api/client";

/** The company as its settings say: its zone is the one that times are shown in. */
export const companyQuery = queryOptions({
  queryKey: ["company"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/company", { signal })),
  staleTime: 5 * 60_000,
});

/** The company's time zone, as an IANA name; the browser's until the company is known. */
export function useZone(): string {
  const { data } = useQuery(companyQuery);
  return data?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

const known = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone}|${JSON.stringify(options)}`;
  let found = known.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat(undefined, { ...options, timeZone: zone });
    known.set(key, found);
  }
  return found;
}

/** Date and time in a zone, in the browser's language. `at` is an ISO instant. */
export function dateTime(at: string, zone: string): string {
  return formatter(zone, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

/** Only the time of day. */
export function timeOfDay(at: string, zone: string): string {
  return formatter(zone, { timeStyle: "short" }).format(new Date(at));
}

/** Only the day. */
export function day(at: string, zone: string): string {
  return formatter(zone, { dateStyle: "medium" }).format(new Date(at));
}

/** The calendar day in a zone, for comparing: 2026-11-24. */
export function dayKey(at: Date, zone: string): string {
  const parts = formatter(zone, { year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(at);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")}`;
}

const WEEK_MS = 7 * 24 * 3_600_000;

/** As short as a list needs it: the time today, the weekday this week, else the date. */
export function shortTime(at: string, zone: string, now = new Date()): string {
  const then = new Date(at);
  if (dayKey(then, zone) === dayKey(now, zone)) return timeOfDay(at, zone);
  if (now.getTime() - then.getTime() < WEEK_MS && then < now) return formatter(zone, { weekday: "short" }).format(then);
  const sameYear = dayKey(then, zone).slice(0, 4) === dayKey(now, zone).slice(0, 4);
  return formatter(zone, sameYear ? { month: "short", day: "numeric" } : { dateStyle: "medium" }).format(then);
}

/** How long something took or lasts: 3:07. */
export function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}
