// What every test in a browser begins with.

import { beforeAll, describe, inject } from 'vitest'
import { Browser, findChromium, type Page } from './chromium.js'
import { type Server, type Site, serve } from './server.js'

export const hasBrowser = findChromium() !== null

/** `describe`, skipped where there is no browser. */
export const describeBrowser = describe.skipIf(!hasBrowser)

export interface Options {
  /** For the browser, besides those that every test needs. */
  readonly flags?: readonly string[]
  /** Folders with files to serve, besides that of bundled pages. */
  readonly folders?: readonly string[]
}

/** A browser and a server, for all the tests of a `describe`. Gives a function that opens an empty page. */
export function withBrowser({ flags = [], folders = [] }: Options = {}) {
  let browser: Browser
  let server: Server
  beforeAll(async () => {
    ;[browser, server] = await Promise.all([
      Browser.start(flags),
      serve([inject('pages'), ...folders]),
    ])
    return () => Promise.all([browser.close(), server.close()])
  })
  return (site: Site, host?: string): Promise<Page> => browser.open(`${server.url(site, host)}/`)
}
