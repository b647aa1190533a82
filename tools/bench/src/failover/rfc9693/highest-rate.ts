const BISECTIONS = 3;

/**
 * The highest rate at which a trial passes: doubled until one fails, then halved in between; 0
 * where the lowest fails. A rate that fails once is tried once more, as one packet that is lost for
 * another reason fails a trial, too.
 */
export async function highestRate(
  trial: (perS: number) => Promise<boolean>,
  lowest: number,
  highest: number,
): Promise<number> {
  const passes = async (perS: number) => (await trial(perS)) || (await trial(perS));
  let good = 0;
  let bad = lowest;
  while (bad <= highest && (await passes(bad))) {
    good = bad;
    bad *= 2;
  }
  if (good === 0 || bad > highest) return good;
  for (let left = BISECTIONS; left > 0; left--) {
    const middle = Math.round((good + bad) / 2);
    if (await passes(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
