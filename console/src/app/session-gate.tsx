import { Center, Loader } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useState } from "react";

import { Problem, UNREACHABLE, whenSessionEnds } from "@/api/client";
import { ProblemNote } from "@/components/problem-note";
import { LogIn } from "@/features/login/log-in";
import { forgetWorkspace, identityOf, listenToOtherTabs, type Me, meQuery, tellOtherTabs } from "@/lib/session";
import { SessionContext } from "@/lib/session-context";
import { texts } from "@/texts";

function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        retry: (count, error) => count < 2 && error instanceof Problem && (error.code === UNREACHABLE || error.status >= 502),
      },
    },
  });
}

interface Props {
  /** The workspace of whoever is logged in. */
  children: (me: Me) => ReactNode;
}

/**
 * Shows the log-in or the workspace. A workspace lives exactly as long as its identity: another person or company gets
 * a new cache, and nothing that the old one kept in this browser is left.
 */
export function SessionGate({ children }: Props) {
  const [outer] = useState(newQueryClient);
  return (
    <QueryClientProvider client={outer}>
      <Gate>{children}</Gate>
    </QueryClientProvider>
  );
}

function Gate({ children }: Props) {
  const outer = useQueryClient();
  const { data: me, error, isPending, refetch } = useQuery(meQuery);
  const [hasEnded, setHasEnded] = useState(false);

  const leave = useCallback(() => {
    forgetWorkspace();
    notifications.clean();
    outer.setQueryData(meQuery.queryKey, null);
  }, [outer]);

  useEffect(() => {
    whenSessionEnds(() => {
      setHasEnded(true);
      leave();
    });
    const stop = listenToOtherTabs(() => {
      void outer.invalidateQueries({ queryKey: meQuery.queryKey });
    });
    return () => {
      whenSessionEnds(null);
      stop();
    };
  }, [leave, outer]);

  if (isPending)
    return (
      <Center h="100vh">
        <Loader aria-label={texts.common.loading} />
      </Center>
    );
  if (error !== null)
    return (
      <Center h="100vh" p="md">
        <ProblemNote error={error} onRetry={() => void refetch()} />
      </Center>
    );
  if (me === null)
    return (
      <LogIn
        notice={hasEnded ? texts.login.ended : null}
        onLoggedIn={(found) => {
          setHasEnded(false);
          outer.setQueryData(meQuery.queryKey, found);
          tellOtherTabs();
        }}
      />
    );
  const loggedOut = () => {
    setHasEnded(false);
    leave();
    tellOtherTabs();
  };
  return (
    <Workspace key={identityOf(me)} me={me} onLoggedOut={loggedOut}>
      {children}
    </Workspace>
  );
}

function Workspace({ me, onLoggedOut, children }: Props & { me: Me; onLoggedOut: () => void }) {
  const [client] = useState(newQueryClient);
  useEffect(
    () => () => {
      client.clear();
    },
    [client],
  );
  return (
    <SessionContext value={{ me, onLoggedOut }}>
      <QueryClientProvider client={client}>{children(me)}</QueryClientProvider>
    </SessionContext>
  );
}
