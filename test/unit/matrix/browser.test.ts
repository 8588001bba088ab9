import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { matrixReport } from '../../../src/matrix/report/html.ts'
import { chromium, Page } from './browser.ts'
import { failed, newDirectory, record, result } from './records.ts'

const releases = ['5.10.0-46', '6.1.0-57', '6.12.118+deb13', '6.17.13+deb13', '7.2.13+deb14', '7.3.4+deb13']
const LONG = 'x'.repeat(300)

/** Many columns, long names, and lines without a place to break. */
const cells = releases.flatMap((from, row) =>
  releases.map((to, column) => {
    const names = { from, to, console: `[    0.000000] Linux version ${to}\n${LONG}\n`.repeat(30) }
    if (row === 0 && column === 0)
      return failed({ kind: 'root-not-found', message: LONG }, { ...names, words: LONG, commandLine: LONG })
    if (row === column) return failed({ kind: 'oopsed', message: 'BUG' }, names)
    return row === 5 ? failed({ kind: 'not-run', message: 'x' }, { ...names, at: null }) : result(names)
  }),
)
const page = matrixReport(
  record([...cells, ...cells.map((each) => ({ ...each, engine: 'segments' as const, variant: LONG }))]),
)

/** Of the page as it is shown now: what leads out of it, and the contrast of each text with what is behind it. */
const MEASURED = `(() => {
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
  }
  const behind = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor
      if (colour !== 'rgba(0, 0, 0, 0)') return colour
    }
    return 'rgb(255, 255, 255)'
  }
  const all = [...document.body.querySelectorAll('*')].filter((each) => each.getClientRects().length > 0)
  const texts = all.filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
  const contrasts = texts.map((each) => {
    const [one, other] = [getComputedStyle(each).color, behind(each)].map(luminance).sort((a, b) => b - a)
    return (one + 0.05) / (other + 0.05)
  })
  const outside = all.filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5 && each.closest('.wide') === null)
  return {
    overflow: document.documentElement.scrollWidth - innerWidth,
    scrolling: [...document.querySelectorAll('.wide')].filter((each) => each.scrollWidth > each.clientWidth).length,
    outside: outside.map((each) => each.outerHTML.slice(0, 80)),
    contrast: Math.min(...contrasts),
    texts: texts.length,
    back: luminance(behind(document.body)),
  }
})()`

interface Measured {
  readonly overflow: number
  readonly scrolling: number
  readonly outside: readonly string[]
  readonly contrast: number
  readonly texts: number
  readonly back: number
}

if (chromium === undefined)
  console.error('\n*** NOT TESTED: no Chromium on this machine looks at the report of a matrix ***\n')

describe.skipIf(chromium === undefined)('the report in Chromium', () => {
  let browser: Page
  beforeAll(async () => {
    browser = await Page.open()
  }, 120_000)
  afterAll(() => browser?.close())

  async function show(width: number, scheme: string, fragment = ''): Promise<void> {
    const file = join(newDirectory(), 'matrix.html')
    writeFileSync(file, page)
    const features = [{ name: 'prefers-color-scheme', value: scheme }]
    await browser.call('Emulation.setDeviceMetricsOverride', {
      width,
      height: 800,
      deviceScaleFactor: 1,
      mobile: width < 600,
    })
    await browser.call('Emulation.setEmulatedMedia', { features })
    await browser.call('Page.navigate', { url: `${pathToFileURL(file)}${fragment}` })
    await browser.value(
      `new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))`,
    )
  }

  test.each([
    [360, 'light'],
    [360, 'dark'],
    [1400, 'light'],
    [1400, 'dark'],
  ])('at %i pixels, %s: nothing leads out of it, and every text can be read', async (width, scheme) => {
    await show(width, scheme)
    for (const open of [false, true]) {
      await browser.value(`document.querySelectorAll('details').forEach((each) => { each.open = ${open} })`)
      const { back, texts, contrast, ...measured } = await browser.value<Measured>(MEASURED)
      expect(measured).toEqual({ overflow: 0, scrolling: 0, outside: [] })
      expect(texts).toBeGreaterThan(cells.length)
      // WCAG 2.2, 1.4.3: 4.5 to 1.
      expect(contrast).toBeGreaterThanOrEqual(4.5)
      expect(back > 0.5 ? 'light' : 'dark').toBe(scheme)
    }
    const shots = process.env['LINUX_KEXEC_SCREENSHOTS']
    if (shots === undefined) return
    await show(width, scheme)
    const { data } = await browser.call<{ data: string }>('Page.captureScreenshot', { captureBeyondViewport: true })
    writeFileSync(join(shots, `matrix-${width}-${scheme}.png`), Buffer.from(data, 'base64'))
  })

  test('a link of the table opens the details of its cell', async () => {
    await show(1400, 'light', '#cell-3')
    const open = `[...document.querySelectorAll('details[open]')].map((each) => each.querySelector('div').id)`
    await expect.poll(() => browser.value(open)).toEqual(['cell-3'])
  })
})
