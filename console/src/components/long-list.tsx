import { Box, Button, Center, Skeleton, Stack } from "@mantine/core";
import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef } from "react";

import { texts } from "@/texts";

import { ProblemNote } from "./problem-note";

interface Item {
  id: string;
}

interface Props<Row extends Item> {
  /** What the list is called for those who do not see it. */
  label: string;
  rows: readonly Row[];
  query: Pick<
    UseInfiniteQueryResult,
    "isPending" | "error" | "refetch" | "hasNextPage" | "fetchNextPage" | "isFetchingNextPage"
  >;
  /** An estimate of a row's height, in pixels; each row is measured when it is shown. */
  rowHeight: number;
  /** The list's height: by default what is left of the window. */
  height?: string;
  empty: ReactNode;
  children: (row: Row) => ReactNode;
}

/**
 * A list of any length: only the rows in sight are in the page, and the next page of rows is fetched as its end comes
 * near.
 */
export function LongList<Row extends Item>({ label, rows, query, rowHeight, height, empty, children }: Props<Row>) {
  const { isPending, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = query;
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 8,
  });
  const shown = virtualizer.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;

  useEffect(() => {
    if (error === null && hasNextPage && !isFetchingNextPage && last >= rows.length - 15) void fetchNextPage();
  }, [error, hasNextPage, isFetchingNextPage, fetchNextPage, last, rows.length]);

  if (isPending)
    return (
      <Stack aria-busy="true" aria-label={texts.common.loading} gap="xs">
        {[0, 1, 2, 3, 4].map((n) => (
          <Skeleton key={n} h={rowHeight - 8} />
        ))}
      </Stack>
    );
  if (error !== null && rows.length === 0) return <ProblemNote error={error} onRetry={() => void refetch()} />;
  if (rows.length === 0) return <>{empty}</>;
  return (
    // The rows hold what can be focused; the frame itself must be reachable where they do not.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={scroller} role="region" aria-label={label} tabIndex={0} style={{ height: height ?? "calc(100dvh - 220px)", overflowY: "auto" }}>
      <ul style={{ height: virtualizer.getTotalSize(), position: "relative", listStyle: "none", margin: 0, padding: 0 }}>
        {shown.map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          return (
            <li
              key={item.key}
              ref={virtualizer.measureElement}
              data-index={item.index}
              aria-setsize={hasNextPage ? -1 : rows.length}
              aria-posinset={item.index + 1}
              style={{ position: "absolute", top: 0, left: 0, right: 0, transform: `translateY(${item.start}px)` }}
            >
              {children(row)}
            </li>
          );
        })}
      </ul>
      {error !== null && <ProblemNote error={error} onRetry={() => void fetchNextPage()} />}
      {isFetchingNextPage && (
        <Center p="sm">
          <Box component="span" c="dimmed" fz="sm">
            {texts.common.loading}…
          </Box>
        </Center>
      )}
      {hasNextPage && !isFetchingNextPage && (
        <Center p="sm">
          <Button variant="subtle" size="xs" onClick={() => void fetchNextPage()}>
            {texts.common.more}
          </Button>
        </Center>
      )}
    </div>
  );
}
