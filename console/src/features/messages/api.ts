import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, type Schema, unwrap } from "@/api/client";

import type { MessagesSearch } from "./search";

export type Message = Schema["MessageAnswer"];

export const MESSAGES = ["messages"] as const;

/** The company's texts, page by page. */
export function messagesQuery(filters: MessagesSearch) {
  return infiniteQueryOptions({
    queryKey: [...MESSAGES, "list", filters],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/sms/messages", {
          params: { query: { limit: 50, ...filters, ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** What happened to one text, step by step. */
export function stepsQuery(id: string) {
  return queryOptions({
    queryKey: [...MESSAGES, "timeline", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/sms/messages/{message_id}/timeline", { params: { path: { message_id: id } }, signal })),
  });
}

const path = (id: string) => ({ params: { path: { message_id: id } } });

/** Lets a held text go out now. */
export async function release(id: string): Promise<void> {
  await unwrap(api.POST("/api/sms/messages/{message_id}/release", path(id)));
}

/** Cancels a text that still waits. */
export async function cancel(id: string): Promise<void> {
  await unwrap(api.DELETE("/api/sms/messages/{message_id}", path(id)));
}
