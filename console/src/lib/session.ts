import { queryOptions } from "@tanstack/react-query";

import { api, Problem, type Schema, setCsrfToken, unwrap } from "@/api/client";

export type Me = Schema["Me"];
export type Level = NonNullable<Me["level"]>;

const LEVELS: readonly Level[] = ["read", "send", "manage", "admin"];
const KEPT = "ringfence:";
const CHANNEL = "ringfence-session";

/** Who is logged in; null when nobody is. */
export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }): Promise<Me | null> => {
    try {
      const me = await unwrap(api.GET("/api/auth/me", { signal }));
      setCsrfToken(me.csrf_token);
      return me;
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        setCsrfToken(null);
        return null;
      }
      throw error;
    }
  },
  staleTime: 60_000,
});

/** Whether somebody may do what needs a level. */
export function may(me: Me, needed: Level): boolean {
  return me.level !== null && LEVELS.indexOf(me.level) >= LEVELS.indexOf(needed);
}

/** What tells one workspace in the browser from another: nothing is shared between two that differ in it. */
export function identityOf(me: Me): string {
  return `${me.id}:${me.company?.id ?? "platform"}`;
}

/** Remove everything this browser keeps of a company: drafts and choices of lists. The colour scheme stays. */
export function forgetWorkspace(): void {
  for (const storage of [window.sessionStorage, window.localStorage]) {
    for (const key of Object.keys(storage)) if (key.startsWith(KEPT)) storage.removeItem(key);
  }
}

/** The key under which something of a workspace is kept; `forgetWorkspace` finds it. */
export function keptKey(me: Me, name: string): string {
  return `${KEPT}${identityOf(me)}:${name}`;
}

/** Tell the other tabs that the log-in changed. */
export function tellOtherTabs(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage("changed");
  channel.close();
}

/** Listen for another tab's log-out or change of person; returns what ends the listening. */
export function listenToOtherTabs(changed: () => void): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener("message", changed);
  return () => {
    channel.close();
  };
}
