import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, type Schema, unwrap } from "@/api/client";

export type Conversation = Schema["ConversationAnswer"];
export type TimelineItem = Schema["TimelineItem"];
export type Tab = "open" | "mine" | "unassigned" | "unread" | "done";

export const TABS: readonly Tab[] = ["open", "mine", "unassigned", "unread", "done"];
export const CONVERSATIONS = ["conversations"] as const;

const FILTERS = {
  open: { state: "open" },
  mine: { state: "open", assigned: "me" },
  unassigned: { state: "open", assigned: "nobody" },
  unread: { state: "open", unread: true },
  done: { state: "done" },
} as const;

/** The conversations under one heading, the latest first, page by page. */
export function conversationsQuery(tab: Tab, q: string) {
  return infiniteQueryOptions({
    queryKey: [...CONVERSATIONS, "list", tab, q],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/sms/conversations", {
          params: { query: { ...FILTERS[tab], ...(q ? { q } : {}), ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** How many conversations stand under each heading, counted up to a hundred. */
export const countsQuery = queryOptions({
  queryKey: [...CONVERSATIONS, "counts"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/sms/conversations/counts", { signal })),
});

/** One conversation. */
export function conversationQuery(id: string) {
  return queryOptions({
    queryKey: [...CONVERSATIONS, "one", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/sms/conversations/{conversation_id}", { params: { path: { conversation_id: id } }, signal })),
  });
}

/** What happened in a conversation, the latest first: texts, notes and calls. */
export function timelineQuery(id: string) {
  return infiniteQueryOptions({
    queryKey: [...CONVERSATIONS, "timeline", id],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/sms/conversations/{conversation_id}/timeline", {
          params: { path: { conversation_id: id }, query: pageParam ? { cursor: pageParam } : {} },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** Answers in a conversation, from the number it is with; it can be taken back for ten seconds. */
export function sendReply(conversation: Conversation, body: string, key: string) {
  return unwrap(
    api.POST("/api/sms/send", {
      params: { header: { "Idempotency-Key": key } },
      body: { to: conversation.outside_number, from_number: conversation.phone_number, body, undo_seconds: 10 },
    }),
  );
}

/** Takes a text back that waits. */
export function takeBack(messageId: string) {
  return unwrap(api.DELETE("/api/sms/messages/{message_id}", { params: { path: { message_id: messageId } } }));
}

/** Writes a note that only colleagues see. */
export function writeNote(conversationId: string, body: string) {
  return unwrap(
    api.POST("/api/sms/conversations/{conversation_id}/notes", {
      params: { path: { conversation_id: conversationId } },
      body: { body },
    }),
  );
}

/** Changes state or owner; the answer says what stood before. */
export function changeConversation(id: string, body: Schema["ChangeBody"]) {
  return unwrap(
    api.PATCH("/api/sms/conversations/{conversation_id}", { params: { path: { conversation_id: id } }, body }),
  );
}

/** Everything in it has been read by who asks. */
export function markRead(id: string) {
  return unwrap(
    api.POST("/api/sms/conversations/{conversation_id}/read", { params: { path: { conversation_id: id } } }),
  );
}

/** Who is at the other end, as people say it. */
export function nameOf(conversation: Conversation, phone: (number: string) => string): string {
  const { contact } = conversation;
  const name = contact === null ? "" : `${contact.first_name} ${contact.last_name}`.trim();
  if (name !== "") return name;
  return contact?.organisation ?? phone(conversation.outside_number);
}
