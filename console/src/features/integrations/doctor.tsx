import { Badge, Button, Card, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconInfoCircle } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { phoneText } from "@/components/phone";
import { ProblemNote } from "@/components/problem-note";
import { tell, tellProblem } from "@/lib/feedback";
import { timeOfDay, useZone } from "@/lib/time";
import { texts } from "@/texts";

import { doctorQuery, type Finding, type Level, setWebhooks, syncNumbers, TWILIO } from "./api";

const t = texts.integrations;

const LOOKS = {
  ok: { color: "fence", icon: IconCheck },
  notice: { color: "yellow", icon: IconInfoCircle },
  problem: { color: "red", icon: IconAlertTriangle },
} as const;
const RANK: readonly Level[] = ["problem", "notice", "ok"];

// The only requests a finding's button may make, whatever the answer names.
const MENDS: Readonly<Record<string, { label: string; run: () => Promise<unknown> }>> = {
  "/api/twilio-settings/webhooks": { label: t.mendWebhooks, run: setWebhooks },
  "/api/twilio/sync/phone-numbers": { label: t.mendSync, run: syncNumbers },
};

/** Everything that can be wrong with the connection, worst first, each with what mends it. */
export function Doctor() {
  const zone = useZone();
  const { data, error, isFetching, refetch } = useQuery(doctorQuery);
  return (
    <Card withBorder component="section" aria-label={t.doctor}>
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start">
          <div>
            <Title order={2} size="h4">
              {t.doctor}
            </Title>
            <Text size="sm" c="dimmed">
              {t.doctorText}
            </Text>
          </div>
          <Button variant="default" size="xs" loading={isFetching} onClick={() => void refetch()}>
            {t.look}
          </Button>
        </Group>
        {error !== null && <ProblemNote error={error} onRetry={() => void refetch()} />}
        {data === undefined && error === null && <Skeleton h={120} aria-busy="true" aria-label={texts.common.loading} />}
        {data !== undefined && (
          <>
            <Group gap="xs" role="status">
              <Text fw={600}>{t.summary[data.level]}</Text>
              <Text size="sm" c="dimmed">
                {t.checkedAt(timeOfDay(data.checked_at, zone))}
              </Text>
            </Group>
            <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: "none" }}>
              {[...data.findings]
                .sort((one, other) => RANK.indexOf(one.level) - RANK.indexOf(other.level))
                .map((finding) => (
                  <Line key={`${finding.check}:${finding.text}`} finding={finding} />
                ))}
            </Stack>
          </>
        )}
      </Stack>
    </Card>
  );
}

function Line({ finding }: { finding: Finding }) {
  const client = useQueryClient();
  const look = LOOKS[finding.level];
  const mend = finding.button === null ? undefined : MENDS[finding.button.path];
  const mending = useMutation({
    mutationFn: async () => {
      await mend?.run();
    },
    onSuccess: () => {
      tell(t.mended);
    },
    onError: tellProblem,
    onSettled: () => client.invalidateQueries({ queryKey: TWILIO }),
  });
  return (
    <Group component="li" align="flex-start" gap="sm" wrap="wrap">
      <Badge variant="light" color={look.color} tt="none" w={{ base: "auto", xs: 130 }} leftSection={<look.icon size={12} aria-hidden />}>
        {t.levels[finding.level]}
      </Badge>
      <div style={{ flex: "1 1 260px", minWidth: 0 }}>
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {finding.text}
        </Text>
        {finding.fix !== null && (
          <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {finding.fix}
          </Text>
        )}
        {finding.numbers.length > 0 && (
          <Text size="xs" c="dimmed">
            {finding.numbers.map(phoneText).join(", ")}
          </Text>
        )}
        {mend !== undefined && (
          <Button size="xs" variant="light" mt={4} loading={mending.isPending} onClick={() => { mending.mutate(); }}>
            {mend.label}
          </Button>
        )}
      </div>
    </Group>
  );
}
