import { Text } from "@mantine/core";

/** A telephone number as people read it: E.164 in groups, +1 numbers in the American way. */
export function phoneText(number: string): string {
  const american = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number);
  if (american !== null) return `(${american[1] ?? ""}) ${american[2] ?? ""}-${american[3] ?? ""}`;
  return number.replace(/^(\+\d{2})(\d{3})(\d+)$/, "$1 $2 $3");
}

/** The same, not broken over lines. */
export function Phone({ number }: { number: string }) {
  return (
    <Text span inherit style={{ whiteSpace: "nowrap" }}>
      {phoneText(number)}
    </Text>
  );
}
