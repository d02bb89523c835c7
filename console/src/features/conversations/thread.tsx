import { ActionIcon, Anchor, Button, Center, Group, Loader, Text, Title } from "@mantine/core";
import { IconArrowLeft, IconPhone } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type RefObject, useEffect } from "react";

import { phoneText } from "@/components/phone";
import { ProblemNote } from "@/components/problem-note";
import { StatusBadge } from "@/components/status-badge";
import { tellProblem, tellWithUndo } from "@/lib/feedback";
import { useMay, useSession } from "@/lib/session-context";
import { dateTime, useZone } from "@/lib/time";
import { texts } from "@/texts";

import {
  changeConversation,
  type Conversation,
  conversationQuery,
  CONVERSATIONS,
  markRead,
  nameOf,
  type TimelineItem,
  timelineQuery,
} from "./api";
import { Composer, type Mode } from "./composer";
import classes from "./conversations.module.css";

const t = texts.conversations;

interface Props {
  id: string;
  mode: Mode;
  onMode: (mode: Mode) => void;
  field: RefObject<HTMLTextAreaElement | null>;
}

/** The middle pane: who it is, what was said, and the place to answer. */
export function Thread({ id, mode, onMode, field }: Props) {
  const { data: conversation, error, refetch } = useQuery(conversationQuery(id));
  const mayAnswer = useMay("send");
  useReading(conversation, mayAnswer);
  if (error !== null)
    return (
      <Center p="md" h="100%">
        <ProblemNote error={error} onRetry={() => void refetch()} />
      </Center>
    );
  if (conversation === undefined)
    return (
      <Center h="100%">
        <Loader aria-label={texts.common.loading} />
      </Center>
    );
  return (
    <>
      <Head conversation={conversation} />
      <Log conversation={conversation} />
      {mayAnswer && (
        <Composer key={`${conversation.id}:${mode}`} conversation={conversation} mode={mode} onMode={onMode} field={field} />
      )}
    </>
  );
}

/** Whoever has the conversation open in front of them has read it. */
function useReading(conversation: Conversation | undefined, mayAnswer: boolean): void {
  const client = useQueryClient();
  const { mutate } = useMutation({
    mutationFn: markRead,
    onSettled: () => client.invalidateQueries({ queryKey: CONVERSATIONS }),
  });
  const id = conversation?.id;
  const isUnread = conversation?.unread === true && mayAnswer;
  const latest = conversation?.last_message_at;
  useEffect(() => {
    if (id !== undefined && isUnread && document.visibilityState === "visible") mutate(id);
  }, [id, isUnread, latest, mutate]);
}

function Head({ conversation }: { conversation: Conversation }) {
  const { me } = useSession();
  const mayAnswer = useMay("send");
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: (body: Parameters<typeof changeConversation>[1]) => changeConversation(conversation.id, body),
    onSuccess: (changed) => {
      const said = changed.state !== changed.before.state ? (changed.state === "done" ? t.closed : t.reopened) : changed.assigned_to === null ? t.givenUp : t.taken;
      const { state, assigned_to, snoozed_until } = changed.before;
      tellWithUndo(said, () => { change.mutate({ state, assigned_to, ...(snoozed_until ? { snoozed_until } : {}) }); });
    },
    onError: tellProblem,
    onSettled: () => client.invalidateQueries({ queryKey: CONVERSATIONS }),
  });
  const isMine = conversation.assigned_to === me.id;
  const isDone = conversation.state === "done";
  return (
    <Group justify="space-between" px="sm" py="xs" gap="xs" wrap="nowrap" style={{ borderBottom: "1px solid var(--rf-line)" }}>
      <Group gap="xs" wrap="nowrap" style={{ minWidth: 0 }}>
        <ActionIcon component={Link} to="/conversations" search hiddenFrom="sm" variant="subtle" aria-label={t.back}>
          <IconArrowLeft size={18} />
        </ActionIcon>
        <div style={{ minWidth: 0 }}>
          <Title order={2} size="h5" lineClamp={1}>
            {nameOf(conversation, phoneText)}
          </Title>
          <Text size="xs" c="dimmed" truncate>
            {phoneText(conversation.outside_number)} {t.from(phoneText(conversation.phone_number))}
          </Text>
        </div>
      </Group>
      {mayAnswer && me.kind === "user" && (
        <Group gap={6} wrap="nowrap">
          <Button
            size="xs"
            variant="default"
            disabled={change.isPending}
            onClick={() => { change.mutate({ assigned_to: isMine ? null : me.id }); }}
          >
            {isMine ? t.unassign : t.assign}
          </Button>
          <Button
            id="conversation-state"
            size="xs"
            variant={isDone ? "default" : "light"}
            disabled={change.isPending}
            onClick={() => { change.mutate({ state: isDone ? "open" : "done" }); }}
          >
            {isDone ? t.reopen : t.done}
          </Button>
        </Group>
      )}
    </Group>
  );
}

function Log({ conversation }: { conversation: Conversation }) {
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    timelineQuery(conversation.id),
  );
  const zone = useZone();
  if (error !== null && data === undefined)
    return (
      <Center p="md" flex={1}>
        <ProblemNote error={error} onRetry={() => void refetch()} />
      </Center>
    );
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  const scheduled = data?.pages[0]?.scheduled ?? [];
  return (
    // The latest stands first in the page and last on the screen: so the log stays at its end while older ones come.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className={classes.log} role="log" aria-label={t.thread(nameOf(conversation, phoneText))} aria-live="polite" tabIndex={0}>
      {scheduled.map((text) => (
        <div key={text.id} className={classes.bubble} data-ours style={{ opacity: 0.85, borderStyle: "dashed" }}>
          <Text size="xs">{t.scheduled(dateTime(text.due_at, zone))}</Text>
          {text.body}
        </div>
      ))}
      {items.map((item) => (
        <Entry key={(item.message ?? item.note ?? item.call)?.id} item={item} zone={zone} />
      ))}
      {hasNextPage && (
        <Center>
          <Button variant="subtle" size="xs" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {t.older}
          </Button>
        </Center>
      )}
    </div>
  );
}

function Entry({ item, zone }: { item: TimelineItem; zone: string }) {
  if (item.note)
    return (
      <div className={classes.note}>
        <Text size="xs" fw={600}>
          {t.noteBy(item.note.actor_name)} · {dateTime(item.at, zone)}
        </Text>
        {item.note.body}
      </div>
    );
  if (item.call)
    return (
      <Group gap={6} justify="center" c="dimmed">
        <IconPhone size={14} aria-hidden />
        <Text size="xs">
          {t.call(item.call.direction, item.call.status)} · {dateTime(item.at, zone)}
        </Text>
      </Group>
    );
  if (!item.message) return null;
  const { message } = item;
  const isOurs = message.direction === "outbound";
  return (
    <div className={classes.bubble} data-ours={isOurs || undefined}>
      {message.body}
      {message.media.map((media, n) => (
        <Anchor key={media.id} href={media.url ?? undefined} target="_blank" rel="noreferrer" display="block" size="sm">
          {t.attachment(n + 1)}
        </Anchor>
      ))}
      <Group gap={6} mt={4}>
        <Text size="xs" c="dimmed">
          {dateTime(item.at, zone)}
        </Text>
        {isOurs && <StatusBadge status={message.status} />}
      </Group>
      {isOurs && message.reason !== null && (
        <Text size="xs" mt={2}>
          {message.reason}
        </Text>
      )}
    </div>
  );
}
