import { Box, Center, VisuallyHidden } from "@mantine/core";
import { useDebouncedValue, useDocumentTitle } from "@mantine/hooks";
import { IconMessages } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";

import { Empty } from "@/components/page";
import { texts } from "@/texts";

import { conversationsQuery, type Tab, TABS } from "./api";
import type { Mode } from "./composer";
import classes from "./conversations.module.css";
import { Thread } from "./thread";
import { ThreadList } from "./thread-list";

const t = texts.conversations;

/** The inbox: list and thread side by side; on a telephone one at a time. */
export function Conversations() {
  useDocumentTitle(`${t.title} · ${texts.product}`);
  const { id } = useParams({ strict: false });
  const asked = useSearch({ strict: false });
  const navigate = useNavigate();
  const tab: Tab = TABS.find((one) => one === asked.tab) ?? "open";
  const [search, setSearch] = useState("");
  const [q] = useDebouncedValue(search.trim(), 250);
  const [mode, setMode] = useState<Mode>("reply");
  const field = useRef<HTMLTextAreaElement>(null);
  const query = useInfiniteQuery(conversationsQuery(tab, q));
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);

  useEffect(() => {
    const step = (by: number) => {
      const at = rows.findIndex((row) => row.id === id);
      const next = rows[at === -1 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1)];
      if (next !== undefined) void navigate({ to: `/conversations/${next.id}`, search: true });
    };
    const write = (next: Mode) => {
      setMode(next);
      window.setTimeout(() => field.current?.focus());
    };
    const acts: Readonly<Record<string, () => void>> = {
      j: () => { step(1); },
      k: () => { step(-1); },
      e: () => document.getElementById("conversation-state")?.click(),
      r: () => { write("reply"); },
      n: () => { write("note"); },
    };
    const onKeyDown = (event: KeyboardEvent) => {
      const target = event.target instanceof HTMLElement ? event.target : null;
      const isTyping = target !== null && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
      const act = acts[event.key];
      if (isTyping || event.metaKey || event.ctrlKey || event.altKey || event.repeat || act === undefined) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => {
      window.removeEventListener("keydown", onKeyDown);
    };
  }, [id, navigate, rows]);

  return (
    <Box className={classes.panes} data-open={id !== undefined || undefined}>
      <VisuallyHidden component="h1">{t.title}</VisuallyHidden>
      <div className={classes.list}>
        <ThreadList
          tab={tab}
          onTab={(next) => void navigate({ to: ".", search: (old) => ({ ...old, tab: next }) })}
          search={search}
          onSearch={setSearch}
          rows={rows}
          query={query}
          chosen={id ?? null}
        />
      </div>
      <div className={classes.thread}>
        {id === undefined ? (
          <Center h="100%">
            <Empty icon={<IconMessages size={40} />} title={t.choose} text={t.chooseText} />
          </Center>
        ) : (
          <Thread key={id} id={id} mode={mode} onMode={setMode} field={field} />
        )}
      </div>
    </Box>
  );
}
