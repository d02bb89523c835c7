export interface ContactsSearch {
  q?: string;
  tag?: string;
}

/** The filters of the list, as the address has them. */
export function contactsSearch(search: Record<string, unknown>): ContactsSearch {
  // The router reads digits in an address as a number.
  const text = (value: unknown, most: number) =>
    typeof value === "string" ? value.slice(0, most) : typeof value === "number" ? String(value) : "";
  const q = text(search.q, 100);
  const tag = text(search.tag, 50);
  return { ...(q === "" ? {} : { q }), ...(tag === "" ? {} : { tag }) };
}
