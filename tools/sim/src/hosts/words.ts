/** What a packet says in a conversation; it goes into the payload's tag. */
export const Word = {
  Syn: 0,
  SynAck: 1,
  Data: 2,
  Reply: 3,
  Push: 4,
  PushAck: 5,
  Fin: 6,
  FinAck: 7,
  LastAck: 8,
  Reset: 9,
  Ask: 10,
  Answer: 11,
} as const;
export type Word = (typeof Word)[keyof typeof Word];
