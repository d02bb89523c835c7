import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

/** Which things on the screen a kind of event makes old, by the first part of their query's key. */
const TOUCHED: readonly (readonly [prefix: string, keys: readonly string[]])[] = [
  ["message.", ["conversations", "messages"]],
  ["conversation.", ["conversations"]],
  ["call.", ["conversations", "calls"]],
  ["scheduled.", ["conversations", "scheduled"]],
  ["optout.", ["conversations", "opt-outs"]],
  ["bulk.", ["bulk"]],
  ["sync.", ["sync", "numbers"]],
];
const AGAIN_AFTER_MS = 5_000;
const TOGETHER_MS = 250;

/**
 * Keeps what is shown up to date for as long as the component is there: the server says what changed, and what shows it
 * is read again. An event carries no content, so everything passes the reader's own rights.
 */
export function useLive(): void {
  const client = useQueryClient();
  useEffect(() => listen(client), [client]);
}

function listen(client: QueryClient): () => void {
  const waiting = new Set<string>();
  let source: EventSource | null = null;
  let again: number | undefined;
  let soon: number | undefined;

  const refresh = () => {
    soon = undefined;
    for (const key of waiting) void client.invalidateQueries({ queryKey: [key] });
    waiting.clear();
  };
  const heard = (kind: string) => {
    const found = TOUCHED.filter(([prefix]) => kind.startsWith(prefix));
    for (const [, keys] of kind === "stream.reset" ? TOUCHED : found) for (const key of keys) waiting.add(key);
    if (waiting.size > 0) soon ??= window.setTimeout(refresh, TOGETHER_MS);
  };
  const open = () => {
    source = new EventSource("/api/events");
    source.onmessage = (event: MessageEvent<string>) => {
      const told: unknown = JSON.parse(event.data);
      if (typeof told === "object" && told !== null && "kind" in told) heard(String(told.kind));
    };
    source.onerror = () => {
      // The browser comes back by itself after a break, and gives up for good after a refusal.
      if (source?.readyState !== EventSource.CLOSED) return;
      again = window.setTimeout(() => {
        heard("stream.reset");
        open();
      }, AGAIN_AFTER_MS);
    };
  };
  open();
  return () => {
    source?.close();
    window.clearTimeout(again);
    window.clearTimeout(soon);
  };
}
