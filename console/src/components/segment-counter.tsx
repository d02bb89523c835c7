import { Anchor, Group, Mark, Text } from "@mantine/core";

import { countSegments, withGsmTwins } from "@/lib/segments";
import { texts } from "@/texts";

const t = texts.composer;

interface Props {
  body: string;
  /** Called with a cheaper spelling of the text when somebody takes it. */
  onReplace: (body: string) => void;
}

/** What a text costs in parts while it is written, and which characters make it dear. */
export function SegmentCounter({ body, onReplace }: Props) {
  const count = countSegments(body);
  const cheaper = withGsmTwins(body);
  const saves = count.costly.length > 0 && countSegments(cheaper).segments < count.segments;
  return (
    <Group gap={6} justify="flex-end">
      {count.costly.length > 0 && (
        <Text size="xs">
          {t.costly}{" "}
          {count.costly.slice(0, 6).map((char) => (
            <Mark key={char} color="yellow" px={3}>
              {char}
            </Mark>
          ))}
        </Text>
      )}
      {saves && (
        <Anchor component="button" type="button" size="xs" onClick={() => { onReplace(cheaper); }}>
          {t.useTwins}
        </Anchor>
      )}
      <Text size="xs" c={count.segments > 3 ? "orange" : "dimmed"}>
        {t.count(count.units, count.units + count.left, count.segments)}
      </Text>
    </Group>
  );
}
