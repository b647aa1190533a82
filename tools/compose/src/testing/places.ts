/** The machines of machines.yaml, by what the README calls them. */

export const BOXES = ['box1', 'box2'] as const;
export const MACHINES = ['redis1', 'redis2', 'redis3', ...BOXES, 'lan', 'wan'] as const;
/** Not a machine of the topology: the repository, where the tests run. */
export const BUILDER = 'builder';

const names: Readonly<Record<string, readonly string[]>> = {
  'the machine where you build': [BUILDER],
  'the LAN router': ['lan'],
  'the WAN router': ['wan'],
  'every box': BOXES,
  'one box': ['box1'],
  'one box after the other': BOXES,
};

/** Throws for what no machine is called. */
export function placesOf(places: readonly string[]): string[] {
  return places.flatMap((place) => {
    if ((MACHINES as readonly string[]).includes(place)) return [place];
    const machines = names[place];
    if (machines === undefined) throw new Error(`README: no machine is called "${place}"`);
    return machines;
  });
}
