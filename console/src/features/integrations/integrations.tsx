import { Alert, Badge, Button, Card, Code, Group, Modal, SimpleGrid, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconCheck, IconLock, IconPlayerPause, IconPlugConnected } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import { Empty, Page } from "@/components/page";
import { Phone } from "@/components/phone";
import { ProblemNote } from "@/components/problem-note";
import { tell, tellProblem } from "@/lib/feedback";
import { useMay } from "@/lib/session-context";
import { dateTime, useZone } from "@/lib/time";
import { texts } from "@/texts";

import { atTwilioQuery, type Connected, disconnect, type Outcome, settingsQuery, setWebhooks, TWILIO, verify } from "./api";
import { CredentialsForm } from "./credentials-form";
import { Doctor } from "./doctor";

const t = texts.integrations;

/** What the company connects to: its Twilio account. */
export function Integrations() {
  const isAdmin = useMay("admin");
  return (
    <Page title={t.title}>
      {isAdmin ? (
        <Twilio />
      ) : (
        <Empty icon={<IconLock size={40} />} title={texts.common.forbiddenTitle} text={texts.common.forbidden(t.admins)} />
      )}
    </Page>
  );
}

function Twilio() {
  const { data, error, refetch } = useQuery(settingsQuery);
  const [outcomes, setOutcomes] = useState<Outcome[] | null>(null);
  if (data === undefined)
    return error === null ? (
      <Skeleton h={240} aria-busy="true" aria-label={texts.common.loading} />
    ) : (
      <ProblemNote error={error} onRetry={() => void refetch()} />
    );
  if (!("account_sid" in data))
    return (
      <Card withBorder>
        <Group gap="xs" mb={4}>
          <IconPlugConnected aria-hidden />
          <Title order={2} size="h4">
            {t.connectTitle}
          </Title>
        </Group>
        <Text size="sm" c="dimmed" mb="md" maw={560}>
          {t.connectIntro}
        </Text>
        <CredentialsForm current={null} onDone={setOutcomes} />
      </Card>
    );
  return (
    <>
      <Account account={data} onOutcomes={setOutcomes} />
      {outcomes !== null && <Outcomes outcomes={outcomes} />}
      <Doctor />
      <Found />
    </>
  );
}

function Account({ account, onOutcomes }: { account: Connected; onOutcomes: (outcomes: Outcome[] | null) => void }) {
  const zone = useZone();
  const client = useQueryClient();
  const [asks, setAsks] = useState<"replace" | "remove" | null>(null);
  const [showsAddresses, setShowsAddresses] = useState(false);
  const refresh = () => client.invalidateQueries({ queryKey: TWILIO });
  const check = useMutation({
    mutationFn: verify,
    onSuccess: (answer) => {
      if (answer.status === "verified") tell(t.verified);
    },
    onError: tellProblem,
    onSettled: refresh,
  });
  const point = useMutation({
    mutationFn: setWebhooks,
    onSuccess: (answer) => { onOutcomes(answer.webhook_outcomes); },
    onError: tellProblem,
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: disconnect,
    onSuccess: async () => {
      setAsks(null);
      onOutcomes(null);
      tell(t.removed);
      await client.invalidateQueries();
    },
  });
  const at = (instant: string | null) => (instant === null ? t.never : dateTime(instant, zone));
  return (
    <Card withBorder component="section" aria-label={t.twilio}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Group gap="xs">
            <Title order={2} size="h4">
              {t.twilio}: {account.friendly_name}
            </Title>
            <State status={account.status} />
          </Group>
          <Group gap="xs">
            <Button size="xs" variant="default" loading={check.isPending} onClick={() => { check.mutate(); }}>
              {t.verify}
            </Button>
            <Button size="xs" variant="default" loading={point.isPending} onClick={() => { point.mutate(); }}>
              {t.setWebhooks}
            </Button>
          </Group>
        </Group>
        {account.status_reason !== null && (
          <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={account.status_reason}>
            {account.status_fix}
          </Alert>
        )}
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs" component="dl" m={0}>
          <Fact term={t.sid}>
            <Code>{account.account_sid}</Code>
          </Fact>
          <Fact term={t.token}>{t.tokenEnds(account.auth_token_last_four)}</Fact>
          <Fact term={t.lastChecked}>{at(account.verified_at)}</Fact>
          <Fact term={t.webhooksSince}>{at(account.webhooks_set_at)}</Fact>
        </SimpleGrid>
        <Button
          size="compact-sm"
          variant="subtle"
          aria-expanded={showsAddresses}
          onClick={() => { setShowsAddresses(!showsAddresses); }}
          style={{ alignSelf: "flex-start" }}
        >
          {t.addresses}
        </Button>
        {showsAddresses && (
          <>
            <Text size="sm">{t.addressesHelp}</Text>
            <Stack gap="xs" component="dl" m={0}>
            <Fact term={t.inbound}>
              <Code>{account.webhooks.inbound_url}</Code>
            </Fact>
            <Fact term={t.status}>
              <Code>{account.webhooks.status_url}</Code>
            </Fact>
            </Stack>
          </>
        )}
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={() => { setAsks("replace"); }}>
            {t.replace}
          </Button>
          <Button size="xs" variant="light" color="red" onClick={() => { setAsks("remove"); }}>
            {t.remove}
          </Button>
        </Group>
      </Stack>
      <Modal closeButtonProps={{ "aria-label": texts.common.close }} opened={asks === "replace"} onClose={() => { setAsks(null); }} title={t.replaceTitle} size="lg">
        <Text size="sm" mb="md">
          {t.replaceText}
        </Text>
        <CredentialsForm
          current={account}
          onCancel={() => { setAsks(null); }}
          onDone={(outcomes) => {
            setAsks(null);
            onOutcomes(outcomes);
          }}
        />
      </Modal>
      <Modal closeButtonProps={{ "aria-label": texts.common.close }} opened={asks === "remove"} onClose={() => { setAsks(null); }} title={t.removeTitle}>
        <Stack>
          {remove.isError && <ProblemNote error={remove.error} />}
          <Text size="sm">{t.removeText}</Text>
          <Group justify="flex-end">
            <Button variant="default" data-autofocus onClick={() => { setAsks(null); }}>
              {texts.common.cancel}
            </Button>
            <Button color="red" loading={remove.isPending} onClick={() => { remove.mutate(); }}>
              {t.remove}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </Card>
  );
}

function State({ status }: { status: string }) {
  const [color, Icon] =
    status === "verified"
      ? (["fence", IconCheck] as const)
      : status === "suspended"
        ? (["orange", IconPlayerPause] as const)
        : (["red", IconAlertTriangle] as const);
  return (
    <Badge variant="light" color={color} tt="none" leftSection={<Icon size={12} aria-hidden />}>
      {t.states[status] ?? status}
    </Badge>
  );
}

function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <div>
      <Text component="dt" size="xs" c="dimmed">
        {term}
      </Text>
      <Text component="dd" m={0} size="sm" style={{ overflowWrap: "anywhere" }}>
        {children}
      </Text>
    </div>
  );
}

function Outcomes({ outcomes }: { outcomes: Outcome[] }) {
  return (
    <Card withBorder role="status">
      <Title order={2} size="h5" mb={4}>
        {t.outcomesTitle}
      </Title>
      {outcomes.map((outcome) => (
        <Text size="sm" key={outcome.phone_number_id}>
          <Phone number={outcome.phone_number} />: {t.outcomes[outcome.result] ?? outcome.result}
          {outcome.reason !== null && ` (${outcome.reason})`}
        </Text>
      ))}
    </Card>
  );
}

function Found() {
  const { data, error, refetch } = useQuery(atTwilioQuery);
  return (
    <Card withBorder component="section" aria-label={t.found}>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {t.found}
        </Title>
        <Button component={Link} to="/numbers" size="xs" variant="default">
          {t.toNumbers}
        </Button>
      </Group>
      {error !== null && <ProblemNote error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton h={80} aria-busy="true" aria-label={texts.common.loading} />}
      {data?.items.length === 0 && <Text size="sm">{t.foundNone}</Text>}
      <Stack component="ul" gap={6} p={0} m={0} style={{ listStyle: "none" }}>
        {data?.items.map((number) => (
          <Group component="li" key={number.twilio_sid} gap="sm">
            <Text size="sm" fw={600}>
              <Phone number={number.phone_number} />
            </Text>
            <Text size="sm">{t.places[number.place] ?? number.place}</Text>
            <Text size="sm" c="dimmed">
              {number.receives_here ? t.receives : t.receivesNot}
            </Text>
          </Group>
        ))}
      </Stack>
    </Card>
  );
}
