import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, type Schema, unwrap } from "@/api/client";

import type { CallsSearch } from "./search";

export type Call = Schema["CallAnswer"];

export const CALLS = ["calls"] as const;

const UNDER_WAY: readonly string[] = ["queued", "initiated", "ringing", "in_progress"];

/** Whether a call can still change by itself soon. */
export const isUnderWay = (call: Call) => UNDER_WAY.includes(call.status);

/** The other side's number. */
export const outsideOf = (call: Call) => (call.direction === "inbound" ? call.from_number : call.to_number);

/** The company's number of a call. */
export const oursOf = (call: Call) => (call.direction === "inbound" ? call.to_number : call.from_number);

/** The company's calls, page by page; asked again while one is under way. */
export function callsQuery(filters: CallsSearch) {
  return infiniteQueryOptions({
    queryKey: [...CALLS, "list", filters],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/calls", {
          params: { query: { limit: 50, ...filters, ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: (query) => {
      const pages = query.state.data?.pages ?? [];
      if (pages.length > 3) return false;
      return pages.some((page) => page.items.some(isUnderWay)) ? 4_000 : 20_000;
    },
  });
}

/** One call, asked every second and a half until it is over. */
export function callQuery(id: string) {
  return queryOptions({
    queryKey: [...CALLS, "one", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/calls/{call_id}", { params: { path: { call_id: id } }, signal })),
    refetchInterval: (query) => (query.state.data === undefined || isUnderWay(query.state.data) ? 1_500 : false),
  });
}

export const placeCall = (to: string) => unwrap(api.POST("/api/calls", { body: { to } }));

const at = (id: string) => ({ params: { path: { call_id: id } } });

export const redial = (id: string) => unwrap(api.POST("/api/calls/{call_id}/redial", at(id)));
export const hangUp = (id: string) => unwrap(api.POST("/api/calls/{call_id}/hang-up", at(id)));
export const writeNotes = (id: string, notes: string) => unwrap(api.PATCH("/api/calls/{call_id}", { ...at(id), body: { notes } }));
