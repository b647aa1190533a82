/** No slot: what a lookup answers when the table holds no such flow. Slots are 1 and above. */
export const NONE = -1;
