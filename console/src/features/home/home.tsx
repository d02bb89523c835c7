import { Anchor, Card, SimpleGrid, Skeleton, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { api, unwrap } from "@/api/client";
import { Page } from "@/components/page";
import { ProblemNote } from "@/components/problem-note";
import { texts } from "@/texts";

const t = texts.home;

// Under the same first word as the inbox, so that what is live there is live here.
const countsQuery = {
  queryKey: ["conversations", "counts"],
  queryFn: ({ signal }: { signal: AbortSignal }) => unwrap(api.GET("/api/sms/conversations/counts", { signal })),
};

const CARDS = [
  { key: "unread", tab: "unread" },
  { key: "mine", tab: "mine" },
  { key: "unassigned", tab: "unassigned" },
  { key: "open", tab: "open" },
] as const;

/** Where the day begins: what waits for an answer. */
export function Home() {
  const { data, error, refetch } = useQuery(countsQuery);
  return (
    <Page title={texts.nav.home}>
      {error !== null && <ProblemNote error={error} onRetry={() => void refetch()} />}
      <SimpleGrid cols={{ base: 2, md: 4 }}>
        {CARDS.map(({ key, tab }) => (
          <Card key={key} withBorder>
            {data === undefined ? (
              <Skeleton h={34} w={60} />
            ) : (
              <Text fz={28} fw={700}>
                {texts.conversations.count(data[key])}
              </Text>
            )}
            <Anchor size="sm" renderRoot={(props) => <Link to="/conversations" search={{ tab }} {...props} />}>
              {t[key]}
            </Anchor>
          </Card>
        ))}
      </SimpleGrid>
    </Page>
  );
}
