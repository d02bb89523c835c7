import { createContext, use } from "react";

import { type Level, type Me, may } from "./session";

interface Session {
  me: Me;
  /** Call when the server has ended the session: everything of it leaves the browser. */
  onLoggedOut: () => void;
}

export const SessionContext = createContext<Session | null>(null);

/** Who works here. Only inside the workspace. */
export function useSession(): Session {
  const session = use(SessionContext);
  if (session === null) throw new Error("there is no session outside the workspace");
  return session;
}

/** Whether who works here may do what needs a level. */
export function useMay(needed: Level): boolean {
  return may(useSession().me, needed);
}
