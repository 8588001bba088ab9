import { median } from './statistics.mjs'

/** Pixels. */
const [LABELS, BARS, ROW, BAR, HEADING, MARGIN] = [150, 560, 20, 14, 30, 16]

/** Of a letter, about. */
const LETTER = 6.5

/** Of the phases, in their order; each can be told from its neighbours also without colours. */
const colours = ['#9c3d26', '#e0912f', '#3f6f8f', '#5fa55a', '#8fb2c9']

/**
 * The medians as bars of their phases, one group for each initrd.
 * @param results as bench/downtime.mjs collects them
 * @param ways in the order to be drawn, where they were measured
 * @param phases in the order they come in
 * @returns an SVG document
 */
export function drawDowntime(results, ways, phases) {
  const longest = Math.max(
    ...results.flatMap(({ samples }) => measured(ways, samples).map((way) => middle(samples, way, 'down'))),
  )
  const scale = BARS / longest
  const lines = []
  let y = MARGIN
  let left = MARGIN
  for (const [index, name] of phases.entries()) {
    lines.push(`<rect x="${left}" y="${y}" width="12" height="12" fill="${colours[index % colours.length]}"/>`)
    lines.push(text(left + 17, y + 11, name))
    left += 40 + name.length * LETTER
  }
  y += 24
  for (const { size, compression, samples } of results) {
    y += HEADING
    lines.push(text(MARGIN, y - 8, `initrd: ${size === 0 ? 'small' : `${size} MiB`}, ${compression}`, 'bold'))
    for (const way of measured(ways, samples)) {
      lines.push(text(MARGIN, y + 11, way))
      let x = MARGIN + LABELS
      for (const [index, name] of phases.entries()) {
        const width = middle(samples, way, name) * scale
        lines.push(
          `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colours[index % colours.length]}"/>`,
        )
        x += width
      }
      lines.push(text(x + 6, y + 11, `${(middle(samples, way, 'down') / 1000).toFixed(1)} s`))
      y += ROW
    }
  }
  const [width, height] = [MARGIN * 2 + LABELS + BARS + 60, y + MARGIN]
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`
  return `${[head, '<title>How long the machine is down, by who loaded, and where the time goes</title>', `<rect width="${width}" height="${height}" fill="#ffffff"/>`, ...lines, '</svg>'].join('\n')}\n`
}

function measured(ways, [sample]) {
  return ways.filter((way) => way in sample)
}

function middle(samples, way, key) {
  return median(samples.map((sample) => sample[way][key] ?? 0))
}

function text(x, y, content, weight = 'normal') {
  return `<text x="${x.toFixed(1)}" y="${y}" font-weight="${weight}" fill="#222222">${content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`
}
