import { Alert, Button, Group, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";

import { Problem } from "@/api/client";
import { texts } from "@/texts";

interface Props {
  error: unknown;
  onRetry?: () => void;
}

/** What went wrong, in the server's own sentence and fix, and the way to try again. */
export function ProblemNote({ error, onRetry }: Props) {
  const fix = error instanceof Problem && typeof error.fields.fix === "string" ? error.fields.fix : null;
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={texts.common.failed} role="alert">
      <Text size="sm">{error instanceof Error ? error.message : String(error)}</Text>
      {fix !== null && (
        <Text size="sm" mt={4}>
          {fix}
        </Text>
      )}
      {onRetry !== undefined && (
        <Group mt="sm">
          <Button size="xs" variant="default" onClick={onRetry}>
            {texts.common.retry}
          </Button>
        </Group>
      )}
    </Alert>
  );
}
