/** Whether a text is one for people. */
export function isSentence(text) {
  return (
    typeof text === 'string' && text !== '' && !/\bat .*\.[jt]s:\d|undefined|NaN|\[object |please report/.test(text)
  )
}

/** Collects what does not hold. */
export class Violations {
  found = []

  check(holds, text) {
    if (!holds) this.found.push(text)
  }

  sentences(texts) {
    for (const text of texts) this.check(isSentence(text), `no sentence: ${JSON.stringify(text)}`)
  }
}

/** What a parser answers; an error that it is documented to throw has only to be well said. */
export function answered(violations, isExpected, read) {
  try {
    return read()
  } catch (error) {
    if (!isExpected(error)) throw error
    violations.sentences([error.message])
    return undefined
  }
}
