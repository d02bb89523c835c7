import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, type Schema, unwrap } from "@/api/client";

import type { ContactsSearch } from "./search";

export type Contact = Schema["ContactAnswer"];
export type ContactWrite = Schema["ContactUpdate"];

export const CONTACTS = ["contacts"] as const;

/** The company's contacts, page by page. */
export function contactsQuery(filter: ContactsSearch) {
  return infiniteQueryOptions({
    queryKey: [...CONTACTS, "list", filter],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/contacts", {
          params: { query: { ...filter, limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } },
          signal,
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

/** The tags in use. */
export const tagsQuery = queryOptions({
  queryKey: [...CONTACTS, "tags"],
  queryFn: ({ signal }) => unwrap(api.GET("/api/contacts/tags", { signal })),
});

/** Saves a new contact, or a new state of one. */
export function saveContact(id: string | null, body: ContactWrite): Promise<Contact> {
  if (id === null) return unwrap(api.POST("/api/contacts", { body }));
  return unwrap(api.PATCH("/api/contacts/{contact_id}", { params: { path: { contact_id: id } }, body }));
}

/** Removes a contact; it can be brought back. */
export async function deleteContact(id: string): Promise<void> {
  await unwrap(api.DELETE("/api/contacts/{contact_id}", { params: { path: { contact_id: id } } }));
}

/** Brings a removed contact back. */
export function restoreContact(id: string): Promise<Contact> {
  return unwrap(api.POST("/api/contacts/{contact_id}/restore", { params: { path: { contact_id: id } } }));
}
