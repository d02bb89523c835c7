import { Badge, Group, Stack, Tabs, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconInbox, IconSearch } from "@tabler/icons-react";
import { type UseInfiniteQueryResult, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { LongList } from "@/components/long-list";
import { Empty } from "@/components/page";
import { phoneText } from "@/components/phone";
import { shortTime, useZone } from "@/lib/time";
import { texts } from "@/texts";

import { type Conversation, countsQuery, nameOf, type Tab, TABS } from "./api";
import classes from "./conversations.module.css";

const t = texts.conversations;

interface Props {
  tab: Tab;
  onTab: (tab: Tab) => void;
  search: string;
  onSearch: (search: string) => void;
  rows: readonly Conversation[];
  query: UseInfiniteQueryResult;
  chosen: string | null;
}

/** The left pane: headings with counts, search, and the conversations. */
export function ThreadList({ tab, onTab, search, onSearch, rows, query, chosen }: Props) {
  const counts = useQuery(countsQuery).data;
  const zone = useZone();
  return (
    <Stack gap="xs" h="100%">
      <Tabs
        value={tab}
        onChange={(value) => {
          const found = TABS.find((one) => one === value);
          if (found !== undefined) onTab(found);
        }}
      >
        <Tabs.List aria-label={t.tabsLabel} className={classes.tabs}>
          {TABS.map((one) => (
            <Tabs.Tab key={one} value={one} px={7}>
              <Group gap={4} wrap="nowrap">
                {t.tabs[one]}
                {counts !== undefined && counts[one] > 0 && (
                  <Text span size="xs" c="dimmed">
                    {t.count(counts[one])}
                  </Text>
                )}
              </Group>
            </Tabs.Tab>
          ))}
        </Tabs.List>
      </Tabs>
      <TextInput
        px="xs"
        aria-label={t.search}
        placeholder={t.search}
        leftSection={<IconSearch size={16} aria-hidden />}
        value={search}
        onChange={(event) => { onSearch(event.currentTarget.value); }}
      />
      <LongList
        label={t.list}
        rows={rows}
        query={query}
        rowHeight={68}
        height="calc(100dvh - 160px)"
        empty={
          search === "" && tab === "open" ? (
            <Empty icon={<IconInbox size={36} />} title={t.emptyTitle} text={t.empty} />
          ) : (
            <Empty icon={<IconInbox size={36} />} title={t.noneFound} text={t.noneFoundText} />
          )
        }
      >
        {(conversation) => <Row conversation={conversation} zone={zone} isChosen={conversation.id === chosen} />}
      </LongList>
    </Stack>
  );
}

function Row({ conversation, zone, isChosen }: { conversation: Conversation; zone: string; isChosen: boolean }) {
  return (
    <UnstyledButton
      component={Link}
      to={`/conversations/${conversation.id}`}
      // The heading and the search stay what they are.
      search
      className={classes.row ?? ""}
      data-chosen={isChosen || undefined}
      aria-current={isChosen ? "true" : undefined}
    >
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" fw={conversation.unread ? 700 : 500} truncate>
          {nameOf(conversation, phoneText)}
        </Text>
        <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
          {shortTime(conversation.last_message_at, zone)}
        </Text>
      </Group>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" c="dimmed" truncate>
          {conversation.last_direction === "outbound" ? t.you : ""}
          {conversation.last_preview}
        </Text>
        {conversation.unread && (
          <Badge size="sm" tt="none" style={{ flexShrink: 0 }}>
            {t.unread}
          </Badge>
        )}
      </Group>
    </UnstyledButton>
  );
}
