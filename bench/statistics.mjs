/** The middle value; of two middle ones the mean. */
export function median(values) {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * Compares two columns of samples taken in turn. The ratio is the median of the ratios round by round, so that a machine
 * that becomes slower or faster during the run does not change it.
 */
export function compare(name, ours, theirs, aim, samples) {
  const column = (key) => samples.map((sample) => sample[key])
  return {
    name,
    ours,
    theirs,
    rounds: samples.length,
    oursMilliseconds: median(column(ours)),
    theirsMilliseconds: median(column(theirs)),
    ratio: median(samples.map((sample) => sample[ours] / sample[theirs])),
    aim,
    samples: samples.map((sample) => ({ [ours]: sample[ours], [theirs]: sample[theirs] })),
  }
}
